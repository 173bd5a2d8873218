CREATE TABLE t (id int4, a int4, b int8, c int2, n numeric, f float8, r float4, s text, ok bool, d date, ts timestamp, tz timestamptz, iv interval, j jsonb, u uuid, by bytea);
INSERT INTO t VALUES
(1, 1, 10, 3, 1.0, 1.5, 0.1, 'abc', true, '2024-01-31', '2024-01-31 10:20:30.123456', '2024-02-29 23:59:59+00', '1 day', '{"b": 1.50, "a": [1,2,"x"], "aa": null}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\x0102ff'),
(2, 2, 20, -3, 1.00, 'NaN', 3.4e38, 'Abc', false, '2024-02-29', '1999-12-31 23:59:59', '2001-02-03 04:05:06.5+02', '1 mon -1 day 02:00:00', '[1, "two", {"k": true}]', '00000000-0000-0000-0000-000000000000', '\x'),
(3, null, 9223372036854775807, 32767, -2.505, 'Infinity', -1e-30, 'äöÜß', null, null, 'infinity', null, '-00:00:01.5', 'null', null, null),
(4, -7, -9223372036854775808, -32768, 'NaN', '-Infinity', 'NaN', '', true, '0044-03-15 BC', '-infinity', 'epoch', '1 year 2 mons', '"str"', null, '\x00'),
(5, 2147483647, 0, 0, 123456789012345678901234567890.123456789, -0.0, 16777217, 'a%b_c\', false, 'infinity', '2000-01-01', '2000-01-01', '30 days', 'true', 'ffffffff-ffff-ffff-ffff-ffffffffffff', null),
(6, -2147483648, 5, 7, 0.00, 1e300, 1e-40, '𝒳yz ', null, '9999-12-31', '2024-12-30 00:00:00', '2024-12-30 12:00:00-05', null, '12.30', null, null),
(7, 1, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
(8, 1, 10, 3, 1.5, 123456789.125, 0.3, '  trim me ', true, '2024-01-31', '2024-06-15 12:00:00', '2024-06-15 12:00:00+00', '25:00:00', '{}', null, 'abc');
CREATE TABLE o (id int4, t_id int4, qty int4, price numeric(10,2), tag text);
INSERT INTO o SELECT g, g % 9, (g * 7) % 13 - 3, (g * 37 % 1000) / 4.0, (ARRAY['red','green','blue',NULL])[1 + g % 4] FROM generate_series(1, 40) g;
CREATE TABLE e (id int4, v text);
