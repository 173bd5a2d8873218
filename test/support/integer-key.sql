CREATE TABLE numbered (id integer PRIMARY KEY, name text);
