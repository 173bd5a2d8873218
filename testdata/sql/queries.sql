-- One query a line. Postgres and we answer the same to each: rows, names, types or error. A line with OUTSIDE before it is refused by us.
select * from t order by id
select id, a+b, a-c, b*2, a/2, a%3, -a, abs(a) from t where id <> 6 and id < 3 order by id
select a + 1 from t where id = 5
select b + 1 from t where id = 3
select -b from t where id = 4
select c + c from t where id = 3
select c / 0 from t
select n + 1, n * 2, n / 3, n % 2, -n, round(n,2), round(n), trunc(n,1), ceil(n), floor(n), abs(n), sign(n), scale(n) from t where id <> 4
select n, n/7, 7/n from t where id in (1,2,3,5)
select 1.0/3, 10.0/3, 100000.0/3, 1/3.0, 0.0001/3, 1e20/3, 12345.678/0.0001, 0.1/12345678901234567890, 2.0/3, 99999999.9/7
select f + 1, f * 2, f - 1, -f, abs(f), round(f), ceil(f), floor(f), trunc(f), sign(f) from t order by id
select f / 3, f::text, r::text, r + 1, r * f from t where id in (1, 5, 8)
select f / 0 from t where id = 1
select 1e308::float8 * 10
select 1e-308::float8 * 1e-308::float8
select sqrt(16.0::float8), power(2::float8, 10), 2 ^ 3, 2.0::float8 ^ 0.5, pi()
select sqrt(-1::float8)
select f > 1, f = 'NaN', f < 'Infinity', f >= r from t order by id
select n = 1, n > 1.0, n < 'NaN', n <> 1.00 from t order by id
select iv > '1 day', iv = '30 days', iv < '1 mon' from t order by id
select id from t order by n desc, id
select id from t order by f, id
select id from t order by iv nulls first, id
select id from t order by s, id
select id from t order by u desc nulls last, id
select id from t order by by, id
select id from t order by ok desc, ts, id
select s || 'x', 'x' || a, a || 'y', ok || '!', n || '' from t order by id
select lower(s), upper(s), length(s), octet_length(s), initcap(s), reverse(s) from t order by id
select substr(s, 2), substring(s, 1, 2), substring(s from 2 for 1), substring(s, -1, 3), left(s, 2), right(s, 2), left(s, -1), right(s, -1) from t order by id
select substring('abc', 1, -1)
select trim(s), ltrim(s), rtrim(s), btrim(s, 'a c'), trim(both 'a' from s), trim(leading from s) from t order by id
select position('b' in s), strpos(s, 'c'), replace(s, 'b', 'ZZ'), repeat(s, 2), lpad(s, 5, '*'), rpad(s, 2), split_part(s, 'b', 1), split_part(s, 'b', -1) from t order by id
select translate(s, 'abc', 'xy'), starts_with(s, 'a'), ascii(s), concat(s, a, ok, null, n), concat_ws('-', a, s, ok) from t order by id
select chr(65), chr(228), to_hex(255), to_hex(-1), to_hex(255::int8), ascii('')
select chr(0)
select s like 'a%', s like '%b_', s like 'a\%b%', s ilike 'ABC', s not like '%c', s like '%\\' from t order by id
select s like 'a!%b%' escape '!', s like 'abc' escape '' from t order by id
select s like 'abc\' from t where id=1
select '' like 'abc\'
select id from t where s between 'a' and 'b' order by id
select id from t where a between symmetric 5 and 1 order by id
select id from t where a not between 0 and 5 order by id
select id from t where a in (1, 2, null) order by id
select id from t where a not in (1, 2) order by id
select id from t where a not in (1, null) order by id
select id from t where n in (1, 1.5) order by id
select id from t where (a, c) = (1, 3) order by id
select id from t where (a, c) in ((1, 3), (2, -3)) order by id
select id from t where a = any(array[1,2]) order by id
select id from t where a <> all(array[1,2]) order by id
select id, ok is true, ok is not true, ok is false, ok is unknown, ok is not unknown, not ok, ok and a = 1, ok or a = 1 from t order by id
select id, a is null, a is not null, a is distinct from 1, a is not distinct from null from t order by id
select coalesce(a, b, 0), nullif(a, 1), greatest(a, b, c), least(a, n), greatest(s, 'b'), least(f, 1) from t order by id
select nullif('a', 'b'), nullif(1, 1.0), coalesce(null, 'x'), greatest(1, 2.5, null)
select case when a = 1 then 'one' when a > 1 then 'many' end, case a when 1 then 10 when 2 then 20 else 0 end, case when ok then 1 else 2.5 end from t order by id
select case a when 1 then 'x' else 5 end from t
select d + 1, d - 1, d - date '2024-01-01', d + interval '1 month', d - interval '1 day 1 hour' from t where id in (1,2,4,6) order by id
select d, d + 1 from t where id = 5
select ts + interval '1 month', ts - interval '1 year', ts - timestamp '2000-01-01', ts + iv from t where id in (1,2,5,6) order by id
select tz, tz + '1h', tz - tz, tz::timestamp, tz::date from t where id in (1,2,4,5,6) order by id
select extract(year from ts), extract(month from ts), extract(dow from ts), extract(doy from ts), extract(week from ts), extract(isoyear from ts), extract(quarter from ts), extract(epoch from ts), extract(second from ts), extract(millisecond from ts), extract(microseconds from ts), extract(hour from ts), extract(minute from ts), extract(day from ts), extract(isodow from ts) from t where id in (1,2,5,6) order by id
select extract(year from d), extract(epoch from d), extract(dow from d), extract(week from d) from t where id in (1,2,4,6) order by id
select extract(hour from d) from t where id = 1
select extract(epoch from iv), extract(day from iv), extract(month from iv), extract(hour from iv), extract(year from iv), date_part('minute', iv) from t order by id
select date_part('year', ts), date_part('second', ts), date_part('epoch', tz) from t where id in (1,2) order by id
select date_trunc('month', ts), date_trunc('week', ts), date_trunc('hour', tz), date_trunc('quarter', ts), date_trunc('day', d) from t where id in (1,2,5,6) order by id
select date_trunc('fortnight', ts) from t
select iv + iv, iv - interval '1 day', -iv, iv * 2, iv * 1.5, iv / 2, 2 * iv from t order by id
select interval '1 year 2 months 3 days 4:05:06.789', interval '1h', interval '-1 day', interval 'P1Y2M3DT4H5M6S', interval '1 week ago', interval '1.5 days', interval '1.5 months', interval '2.5 hours 3 min', interval '1-2', interval '90 min'
select interval 'foo'
select to_timestamp(1700000000.5), to_timestamp(0)
select '2024-02-30'::date
select '2024-13-01'::date
select 'garbage'::timestamp
select '2024-01-01T10:00:00Z'::timestamptz, '2024-01-01 10:00:00+05:30'::timestamptz, '2024-01-01 10:00'::timestamp, '2024-01-01'::timestamp, '2024-1-5'::date
select d::text, ts::text, tz::text, iv::text, n::text, f::text, ok::text, u::text, by::text, j::text from t order by id
select a::text, a::int8, a::numeric, a::float8, a::bool, b::float8, c::int4 from t order by id
select b::int4 from t
select n::int4, n::int8, n::float8, n::numeric(10,2) from t where id in (1,2,3,6)
select n::int4 from t where id = 4
select n::int4 from t where id = 5
select f::int4, f::numeric, f::float4 from t where id in (1,5,8)
select f::int4 from t where id = 2
select f::float4 from t where id = 6
select 2.5::int, 3.5::int, -2.5::int, 2.5::float8::int, 3.5::float8::int, -0.5::float8::int
select '12'::int, ' 12 '::int, '-5'::int8, '1.5'::numeric, '1e3'::numeric, 't'::bool, 'off'::bool, '1.5e3'::float8
select 'x'::int
select '1.5'::int
select '99999999999'::int
select 'maybe'::bool
select 'abc'::varchar(2), 'abcdef'::text, 123.456::numeric(5,1), 0.5::numeric(3,0), 1.5::numeric(3,0)
select 123456::numeric(3,1)
select true::int, 0::bool, 5::bool
select 'a0eebc999c0b4ef8bb6d6bb9bd380a11'::uuid, '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'::uuid
select 'xyz'::uuid
select '\xDEADbeef'::bytea, 'ab\\c\001'::bytea, encode('\x0102'::bytea, 'hex'), length('\x0102'::bytea)
select j -> 'a', j -> 'a' -> 0, j ->> 'b', j -> 0, j ->> 1, j -> -1, j -> 'zz', j ? 'a', jsonb_typeof(j) from t order by id
select '{"b": 1, "a": 2, "b": 3, "ccc": [], "dd": {"x": 1e2}}'::jsonb, '"\u00e4\n\"q\""'::jsonb, '[1.0, -0, 1e400]'::jsonb
select '{bad'::jsonb
select jsonb_array_length('[1,2]'::jsonb), ('{"a": 5}'::jsonb ->> 'a')::int, ('{"a": 5.7}'::jsonb -> 'a')::numeric, ('true'::jsonb)::bool
select j = '{}'::jsonb, j = '12.3'::jsonb from t order by id
select distinct j from t where id in (1, 6, 7)
select count(*), count(a), count(distinct a), sum(a), sum(b), sum(c), avg(a), avg(b), avg(c) from t where id <> 6
select sum(n), avg(n), min(n), max(n), count(distinct n) from t where id <> 4
select sum(n), avg(n), min(n), max(n) from t
select sum(f), avg(f), min(f), max(f) from t where id in (1, 8, 5)
select sum(f), avg(f), min(f), max(f) from t
select sum(r), avg(r), max(r) from t where id in (1, 8)
select sum(iv), min(iv), max(iv) from t
select min(s), max(s), min(d), max(d), min(ts), max(ts), min(tz), max(tz), min(b), max(b) from t
select min(ok) from t
select bool_and(ok), bool_or(ok), every(a > 0) from t
select string_agg(s, ',' order by id), string_agg(s, '' order by id desc), string_agg(distinct s, '|') from t
select string_agg(s, ',' order by s) from t
select count(*) filter (where a = 1), sum(a) filter (where a < 0 and a > -10) from t
select count(*), sum(a), min(s), avg(n), bool_and(ok), string_agg(s, ',') from t where false
select a, count(*), sum(c) from t group by a order by a
select a as x, count(*) from t group by x order by x
select ok, a, count(*) from t group by 1, 2 order by 1, 2
select n, count(*) from t group by n order by n
select iv, count(*) from t group by iv order by iv
select a % 3 as m, count(*) from t where id <> 6 group by a % 3 having count(*) > 1 order by m
select a + 1, a + 1 + count(*) from t where id < 4 group by a + 1 order by 1
select count(*) from t having count(*) > 100
select 1 from t having true
select count(*) from t group by ()
select s from t group by a
select a, s from t group by a
select sum(a) + 1, sum(a + 1) from t where id < 4
select sum(sum(a)) from t
select a from t where sum(a) > 1
select tag, sum(price), avg(price), sum(qty * price), avg(qty) from o group by tag order by tag
select max(price) - min(price) from o
select t.id, o.id, o.price from t join o on o.t_id = t.id where o.qty > 3 order by 1, 2
select t.id, count(o.id), sum(o.price) from t left join o on o.t_id = t.id and o.qty > 0 group by t.id order by t.id
select t.id, o.id from t right join o on o.t_id = t.id and t.a = 1 order by o.id, t.id
select t.id, o.id from t full join o on o.t_id = t.id and o.id < 5 order by 1, 2
select * from (select id, s from t where id < 3) x join (select id, tag from o where id < 4) y using (id) order by id
select id, x.s, y.tag from (select id, s from t where id < 5) x left join (select id, tag from o where id > 2) y using (id) order by id
select id, x.s, y.tag from (select id, s from t where id < 5) x right join (select id, tag from o where id > 2 and id < 8) y using (id) order by id
select id, x.s, y.tag from (select id, s from t where id < 5) x full join (select id, tag from o where id > 2 and id < 8) y using (id) order by id
select * from (select id, s from t where id < 5) x natural right join (select id, tag from o where id > 2 and id < 8) y order by id
select * from (select 1 as a, 2 as b) x natural join (select 1 as a, 3 as c) y natural join (select 3 as c, 4 as d) z
select a.id, b.id, c.id from o a, o b, o c where a.id = b.t_id and b.id = c.t_id and c.id < 12 order by 1, 2, 3
select x.id from t x left join t y on y.id = x.id + 1 left join t z on z.id = y.id + 1 where z.id is null order by 1
select id from t x where exists (select 1 from o where o.t_id = x.id and qty > 5) order by id
select id from t x where not exists (select 1 from o where o.t_id = x.id and qty > 5) order by id
select id from t where id in (select t_id from o where qty < 0) order by id
select id from t where id not in (select t_id from o where qty < 0) order by id
select id from t where a not in (select a from t where id > 4) order by id
select id from t where n in (select price from o) order by id
select id from t where b in (select a from t) order by id
select id, (select max(price) from o where o.t_id = t.id), (select count(*) from o where t_id = t.id) from t order by id
select id, (select price from o where o.t_id = t.id order by price desc limit 1) from t order by id
select (select id from t)
select (select id, a from t)
select (select id from t where false) is null
select (select o.tag from o where o.id = x.id + (select min(id) from t where t.a = x.a)) from t x order by x.id
select x.id from t x where x.b > (select avg(b) from t y where y.ok = x.ok and y.id <> 3 and y.id <> 4) order by 1
select x.a, (select count(*) from t y where y.a = x.a) from t x group by x.a order by 1
select x.a, (select count(*) from t y where y.id = x.id) from t x group by x.a
select id from t x where 2 = (select count(*) from (select distinct tag from o where o.t_id = x.id) q) order by id
with x as (select a, count(*) as k from t group by a), y as (select max(k) as m from x) select x.* from x, y where x.k = y.m order by a
with x(p, q) as (select 1, 2) select q, p, x.* from x
with t as (select 1 as only) select * from t
select 1 union select 1.0
select 1 union all select 1.0 union all select null
select 'a' union select 1
select 'a' union select null
select a from t union select c from t order by 1
select a from t union all select b from t order by 1
select a from t except select c from t order by a
select a from t intersect select a from t where id < 4 order by 1
select a from t except all select 1 order by 1
select t_id from o intersect all select a from t order by 1
select n from t except select 1 order by 1
select a, s from t union select 1
(select a from t order by a limit 2) union all (select b from t order by b desc nulls last limit 1) order by 1
values (1, 'a'), (2, 'b') order by 2 desc
values (1, 'a'), (2)
select 0 between 1.5 and id, count(*) from t group by 1 order by 1
select * from (values (1, 'x'), (2, null)) v(k, l) order by k
select v.k + 1 from (values (1), (2.5)) as v(k) order by 1
select id from t order by id limit 3 offset 2
select id from t order by a desc, id limit 3
select id from t limit 0
select id from t order by id limit null
select id from t limit -1
select id from t offset -1
select id as x, a as id from t order by id nulls first, x
select id, a from t order by a + id nulls last
select distinct a from t order by a nulls first
select distinct a, ok from t order by 2, 1
select distinct n from t order by n
select distinct a from t order by b
select distinct s from t order by lower(s)
select t.* from t where t.id = 1
select x.* from t x, e
select * from e
select count(*) from e, t
select nope from t
select t.nope from t
select nope.id from t
select * from nope
select id from t, o
select * from t x, t x
select lower(5)
select nofunc(1)
select 1 + 'a'
select '1' + '2'
select 1 + '2', '3' * 2.5, 1.5 + '2', 'a' || 'b'
select 1 = 'x'
select a = 'x' from t
select a = '1', a < '5', n = '1.0', f > '0', d = '2024-01-31', ts > '2024-01-01' from t where id = 1
select s = 1 from t
select 1 || 2
select true + 1
select ok = 1 from t
select ok = 't' from t order by id
select not 1
select id from t where 1
select id from t where null
select id from t where 'f'
select -'5', +a from t where id = 1
select ts = d, tz > d, tz > ts from t where id in (1, 2, 6) order by id
select d + ts from t
select 2147483648, -2147483648, 9223372036854775807, 9223372036854775808, 1e5, 0.1, .5, 5.
select 1::int2 + 1, 1::int2 + 1::int8, 1 + 1::float4, 1::float4 + 1::float8, 1.5 + 1::float4, 1::int8 + 1.5
select pg_catalog.lower('X'), current_date is not null, now() = current_timestamp, localtimestamp is null
select a as "Weird Name", 1 as "select" from t where id = 1
select id, count(*) from t group by t.id order by count(*), id
select count(*) as n from o group by tag having sum(qty) > 10 order by n
select max(id) from t group by a % 2 = 0 order by 1
select (1, 2) = (1, 2), (1, null) = (1, 2), (1, null) = (2, 2)
OUTSIDE select row(1, 2)
OUTSIDE select array[1]
OUTSIDE select a[1] from t
select sum(a) over () from t
select s ~ 'a' from t
select * from generate_series(1, 3)
select distinct on (a) a from t
OUTSIDE select a from t group by rollup (a)
OUTSIDE select * from t tablesample system (10)
OUTSIDE select id from t for update
select * from t, lateral (select t.id) x
select 1 where 1 = all (select 1)
select 5 > any (select id from t)
select 'a' < 'B', 'ä' < 'z', 'z' < '𝒳', '￿' < '𝒳'
select gcd(12, 18), lcm(4, 6), mod(7, 3), mod(-7, 3), -7 / 2, -7 % 3, 7 # 2, 6 & 3, 6 | 3, ~5, 1 << 4, -16 >> 2, @ -5
select 5::int2 << 20, 1::int8 << 40, (-1)::int2 >> 1
select round(2.5::numeric), round(-2.5), round(2.567, 2), round(1234.5, -2), trunc(-2.567, 2), ceil(-0.5), floor(-0.5), round(0.5::float8), round(1.5::float8), round(-0.4::float8)
select mod(5.5, 2), 5.5 % -2, -5.5 % 2, 1.5 % 0
select 'a'::text = 'a', upper('ß'), lower('İ'), length('𝒳'), initcap('hello wORLD-foo bar_baz 1st')
select e.id, t.id from e right join t on true order by 2 limit 2
select e.id, t.id from t left join e on true order by 2 limit 2
select count(*), sum(x.a) from (select a from t union all select a from t) x
select k, sum(v) from (select tag as k, qty as v from o union all select 'z', 1) q group by k order by k
select * from (select id from t order by id desc limit 2) q order by id
select max(q.s) from (select string_agg(s, '' order by id) as s from t group by a) q
select id from t where coalesce(s, 'none') = 'none' order by id
select t.id from t where t.id in (1, 2) and exists (select from o where o.t_id = t.id)
OUTSIDE select from t
select 'it''s', E'a\nb', $$dollar$$, U&'\00e4'
OUTSIDE select b'101'
OUTSIDE select t from t
OUTSIDE select (t).a from t
select s collate "C" from t
select cast('5' as int), cast(a as text) from t where id = 1
select sum(distinct a), avg(distinct a), count(distinct s), max(distinct a), sum(distinct b), avg(distinct b), sum(distinct n), string_agg(distinct tag, ',' order by tag desc) from t, o where t.id in (1,2,5) and o.id < 6
select tag, (select sum(o2.price) from o o2 where o2.tag = o.tag) from o group by tag order by tag
select sum((select max(qty) from o where o.t_id = t.id)) from t
OUTSIDE select (select sum(t.a) from o limit 1) from t
select null + 1, null || 'a', null and false, null or true, not null, null = null, null is null, sum(null::int) from t
select x.k from (select 1 as k) x, (select 2 as k) y
select k from (select 1 as k) x, (select 2 as k) y
select "T".id from t "T" where "T".id = 1
select id from T where ID = 1
select id, (select string_agg(tag, ',' order by o.id) from o where o.t_id = t.id) from t order by id
select t_id, count(*), sum(price) filter (where qty > 0) from o group by t_id having sum(price) > 100 order by t_id
select x.id, y.c from t x left join (select t_id, count(*) as c from o group by t_id) y on y.t_id = x.id order by 1
select x.id, coalesce(y.c, 0) + 1 from t x left join (select t_id, count(*) + 0 as c, 5 as five from o group by t_id) y on y.t_id = x.id where coalesce(y.five, 0) = 5 order by 1
select x.id, y.five from t x left join (select t_id, 5 as five from o) y on y.t_id = x.id and y.five = 5 order by 1, 2
select x.id, y.five from t x left join (select 5 as five) y on x.id = 1 order by 1
select y.five, z.id from (select 5 as five) y full join (select id from t where id < 3) z on z.id = y.five order by 1, 2
select x.id from t x where x.id = (select max(y.id) from t y where y.a = x.a) order by 1
select x.id from t x where x.a > all (select 1)
select (select count(*) from (select x.id union select y.id from t y where y.id < x.id) q) from t x order by x.id
select id, (select sum(v) from (values (t.a), (t.c)) w(v)) from t where id < 3 order by id
select id from t where (select count(*) from o where o.t_id = t.id group by o.t_id) > 4 order by id
select a, count(*) as n from t group by a order by (select max(id) from o where o.t_id = t.a), a
select count(*) from t x, t y, t z where x.id = y.id and y.id = z.id
select case when exists (select 1 from o where t_id = t.id) then 'y' else 'n' end as has, count(*) from t group by 1 order by 1
with a as (select id, a from t), b as (select a.id from a join o on o.t_id = a.id), c as (select distinct id from b) select count(*) from c
with a as (select id from t order by id limit 3) select * from a where exists (select 1 from a a2 where a2.id = a.id + 1) order by 1
select * from (select id, a from t union all select id, qty from o) q where a > 5 order by id, a
select max(a), min(a) from (select a from t where false) q
select sum(x) from (values (1), (null), (3)) v(x)
select sum(x), avg(x) from (values (1.10), (2.2), (null)) v(x)
select sum(x), avg(x) from (values (9223372036854775807), (9223372036854775807), (-1)) v(x)
select sum(x) from (values (9223372036854775807::int8), (1)) v(x) where x > 0
select min(x), max(x) from (values (true)) v(x)
select count(distinct x), sum(distinct x) from (values (1.0), (1.00), (2)) v(x)
select x, y from (values (1, 'a'), (1, 'b')) v(x, y) order by x, y desc
select distinct x from (values (1.5::float8), ('NaN'), ('NaN'), (null), (null), (0.0), (-0.0)) v(x) order by x
select x from (values ('b'), ('a'), (null)) v(x) order by x desc
select x from (values (1), (2)) v(x) where x = any (select 2)
select id from t where id = any (select t_id from o) order by id
select id from t where not (a > 1) order by id
select id from t where a > 1 is true order by id
select id from t where a in (select null::int) order by id
select id from t where a not in (select a from t where false) order by id
select 'x' in ('x', 'y'), 1 in (1.0, 2), '1' in (1, 2), 1 in ('1', '2'), null in (1), 1 not in (2, null)
select 1 in ('a')
select exists (select 1 from t where false), not exists (select 1)
select upper(coalesce(s, 'none')) || length(coalesce(s, '')) from t order by id
select d - d, ts - d, tz - ts from t where id in (1, 2, 6) order by id
select date '2024-02-29' + interval '1 year', date '2024-03-31' - interval '1 month', timestamp '2024-01-31' + interval '1 month 1 day', interval '1 month' * 1.5, interval '1 day' / 3, interval '1 year' / 7
select extract(epoch from interval '1 year 1 month 1 day 00:00:01.5'), extract(quarter from interval '5 months'), extract(epoch from date '1970-01-02'), extract(epoch from timestamptz '2024-01-01 00:00:00.25+00')
select '2024-01-01'::timestamptz = '2024-01-01'::date, '2024-01-01 00:00+01'::timestamptz < '2024-01-01'::timestamp
select timestamp '2024-12-30' - interval '1 week', date_trunc('week', timestamp '2024-12-31'), extract(week from date '2024-12-30'), extract(isoyear from date '2024-12-30'), extract(week from date '2021-01-03')
select to_timestamp('NaN'::float8)
select '294277-01-01'::timestamp
select timestamp '294276-12-31 23:59:59.999999' + interval '1 second'
select date '5874897-12-31' + 1
select 1e400::float8
select '1e400'::float8
select '-1e-400'::float8
select 1.5e10::int4
select 1e20::int8
select 32768::int2
select (-32768)::int2 / (-1)::int2
select (-2147483648) / -1
select -9223372036854775808 / -1
select (-2147483648) % -1
select abs(-2147483648)
select 2147483647 * 2, 1
select 9223372036854775807 + 1
select 9223372036854775807 * 1.0, 9223372036854775808 - 1
select 1::numeric / 0
select 1 % 0
select 0.1::float8 + 0.2::float8, 0.1::float4 + 0.2::float4, 1.0::float4 / 3, 1::float8 / 3, 100::float4 * 1.1::float4
select 0.1::float4::float8, 0.1::float4::numeric, 0.1::float8::numeric, 1234567.891::float4::numeric, 123456789012345678::float8::numeric, 1e-20::float8::numeric
select 12345678901234567890.123::float8, 1e22::float8, 1e21::float8::text, 123456789.0::float8, 1e14::float8, 1e15::float8, 0.00012::float8, 0.000012::float8
select round(1e20, 2), round(-0.005, 2), round(0.5), round(1.5), round(-1.5), trunc(-1.5), round(123.456, -1), round(5.015, 2)
select 3.14 = 3.140, 3.14::float8 = 3.14, 1 = 1.0::float8, 0.1::float4 = 0.1::float8
select 10 ^ 2, 2 ^ -1, (-8) ^ 3, 0 ^ 0, 0 ^ -1
OUTSIDE select power(2.0, 3)
select substring('hello' from 2), substring('hello' for 2), substring('hello', 0, 3), substring('héllo', 2, 2), substr('abc', 5)
select lpad('abc', -1), lpad('abc', 5, ''), rpad('abc', 5, 'xy'), repeat('ab', 0), repeat('ab', -1), left('abc', 0), right('abc', 0), left('abc', -5)
select split_part('a,b,c', ',', 4), split_part('a,b,c', ',', -2), split_part('abc', '', 1), split_part('', ',', 1)
select split_part('a,b', ',', 0)
select replace('aaa', 'a', ''), replace('abc', '', 'x'), reverse('añ'), translate('12345', '143', 'ax'), initcap('o''neil mc-donald 3RD'), btrim('xxabcxx', 'x'), ltrim('zzzytest', 'xyz')
select 'abc' like 'ABC', 'abc' ilike 'A_C', 'a\b' like 'a\\b', 'a%b' like 'a\%b', 'axb' like 'a\%b', null like 'a', '' like '', '' like '%', 'aaa' like '%a%a%a%', 'ab' like '%a%a%'
select concat('a', null, 1, true, 2.50), concat_ws(',', 'a', null, 'b'), concat_ws(null, 'a'), concat()
select true::text, 't'::text::bool, 1::text || 'x', 1.50::text, null::text is null, 'abc'::varchar(2)::text, '  x '::text
select cast('2024-01-01' as date), date '2024-01-01', '2024-01-01'::date::timestamp::date, timestamp '2024-01-01 12:30'::date
select '{"a": {"b": [10, {"c": "x"}]}}'::jsonb -> 'a' -> 'b' -> 1 ->> 'c', '{"a": null}'::jsonb -> 'a' is null, '{"a": null}'::jsonb ->> 'a' is null, '[1,2]'::jsonb -> 5
select '{"a": 1.0}'::jsonb = '{"a": 1.00}'::jsonb, '[1,2]'::jsonb <> '[2,1]'::jsonb, '{"a":1,"b":2}'::jsonb = '{"b":2,"a":1}'::jsonb
select (j ->> 'b')::numeric + 1 from t where id = 1
select count(*), count(distinct j) from t
select j, count(*) from t group by j having count(*) > 1
select u = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', u > '00000000-0000-0000-0000-000000000000' from t where id = 1
select by = '\x0102ff', by || '\x00', by > '\x01', octet_length(by) from t where id = 1
select greatest(d, ts::date), least(ts, tz), greatest(1::int2, 2::int8, 1.5) from t where id = 1
select greatest('a', 1)
select coalesce(1, 'x')
select coalesce(a, s) from t
select case when true then 1 else 'x' end
select case when 1 then 2 end
select case when id > 0 then 'a' else null end, case when false then 1 end from t where id = 1
select a as b, b as a from t where id = 1 order by b, a
select id as s from t order by s desc limit 2
select s as id from t order by id nulls last, s limit 2
select id + 0 as id from t order by -id limit 2
select count(*) c from t order by c
select id from t order by (select 1), id limit 1
select id from t order by 'x', id
select id from t group by id order by max(a) nulls first, id limit 3
select distinct id % 2 from t order by 1
select distinct id % 2 as m from t order by m desc
select distinct a, b from t order by a + b
select all a from t order by a limit 1
select t.a, o.* from t join o on o.id = t.id order by o.id limit 2
select * from t natural join (select 1 as id) x
select * from (select 1 as k, 2 as k) q
select k from (select 1 as k, 2 as k) q
select (select 1 limit 0), (select 1 union select 1), (values (3))
select (values (1), (2))
select a from (select a, row_number() over () from t) q
select 1 as x where false
select 1 from t where false group by ()
select 1 having false
select sum(1) from t, sum(2)
select 5 as "a b", 6 "c"
select -id, +id, - - id, not not ok from t where id = 1
select id from t where ok and not ok or a is null order by id
select 'a' || null, null || null, 1 || null
select 1 is distinct from null, null is not distinct from null, 'a' is distinct from 'b'
OUTSIDE select interval '1 day' = interval '24 hours', interval '1 month' > interval '29 days', interval '1 day' + time '10:00'
OUTSIDE select array_agg(id) from t
OUTSIDE select json_agg(id) from t
OUTSIDE select percentile_cont(0.5) within group (order by a) from t
select count(*) over (partition by a) from t
OUTSIDE select grouping(a) from t group by a
select * from t cross join lateral (select 1) x
select t.id from t, (select t.id) x
select id from only t where id = 1
OUTSIDE select unnest(array[1])
OUTSIDE select 'abc'::char(5)
OUTSIDE select xmlelement(name a)
OUTSIDE select localtime is null
OUTSIDE select current_user is null
OUTSIDE select s similar to 'a' from t
OUTSIDE select to_char(ts, 'YYYY') from t
select length(null), lower(null), abs(null::int)
select abs(null)
select round(null)
select sum(null) from t
select max(null) from t
select count(null) from t
select min('a') from t
values ((select max(id) from t)), (2)
select * from (values ((select max(id) from t), 1), (2, null)) v(a, b) order by a
OUTSIDE select random() is null
OUTSIDE select version() is null
OUTSIDE select pg_sleep(0)
OUTSIDE select overlay('abc' placing 'x' from 2)
OUTSIDE select regexp_replace(s, 'a', 'b') from t
OUTSIDE select md5('a')
OUTSIDE select make_date(2024, 1, 1)
OUTSIDE select format('%s', 1)
OUTSIDE select now() at time zone 'UTC'
OUTSIDE select generate_series(1, 2)
-- Functions in FROM, LATERAL, regular expressions, ANY and ALL, arrays of texts.
select * from generate_series(1, 5)
select * from generate_series(1, 5) as s
select s.s, s from generate_series(5, 1, -2) as s
select n from generate_series(1, 3) as g(n)
select * from generate_series(1, 3) as g(n), generate_series(1, g.n) as h(m)
select * from generate_series(1::int8, 3) as g(n)
select * from generate_series(1, 2, 0)
select * from generate_series(timestamp '2020-01-01', timestamp '2020-01-03', interval '12 hours')
select * from generate_series(timestamptz '2020-01-31', timestamptz '2020-05-31', interval '1 month') as m
select * from generate_series(date '2020-01-01', date '2020-01-03', interval '1 day') as d
select * from generate_series(null, 3)
select * from generate_series(1, null::int)
select count(*) from generate_series(1, 1000)
select id, n from t left join lateral generate_series(1, t.id % 3) as g(n) on true order by 1, 2
select a.n, b.m from generate_series(1, 3) a(n) left join lateral (select x as m from generate_series(1, 5) x where x > a.n order by x desc limit 2) b on b.m < 5 order by 1, 2
select a.n, v.x from generate_series(1, 2) a(n), lateral (values (a.n), (a.n * 10), (null)) v(x)
select a.n, v.s, v.t from generate_series(1, 2) a(n), lateral (values (a.n / 3::float8, 'x' || a.n), ('NaN', null)) v(s, t)
select a.n, v.s from generate_series(1, 2) a(n), lateral (select '\x00ff'::bytea as s union all select null) v
select a.n, (select sum(m) from generate_series(1, a.n) m) from generate_series(1, 4) a(n)
select a.n, l.c from generate_series(1, 4) a(n), lateral (select count(*) as c from generate_series(1, a.n) m where m % 2 = 0) l
select a.n from generate_series(1, 4) a(n) where exists (select 1 from generate_series(3, 9) b(m), lateral (select b.m * 2 as k) c where c.k = a.n * 2)
select n % 2 as k, count(*) from generate_series(1, 7) n group by 1 order by 1
select n, (select count(*) from generate_series(1, 2) b(m), lateral (select m + 1 as q) c where q > n) from generate_series(1, 3) n group by n order by 1
select * from unnest(string_to_array('a,b,,c', ',')) as u
select * from unnest('{x,NULL,"a b"}'::text[]) as u
select string_to_array('a,b', ','), array_length(string_to_array('a,b', ','), 1), cardinality(string_to_array('', ','))
select array_to_string(string_to_array('a,b', ','), '-')
select array_agg(s order by s desc) from (values ('a'), ('c'), (null), ('b b'), ('')) v(s)
select array_agg(s order by s) from (values ('x')) v(s) where s = 'y'
select b.x from (values (1), (2)) a(x) cross join lateral (select a.x + 1 as x) b
select b.x from (values (1), (2)) a(x), (select a.x + 1 as x) b
select 'abc' ~ 'b', 'abc' ~ '^b', 'abc' ~ 'c$', 'abc' ~* 'B', 'abc' !~ 'z', 'abc' !~* 'ABC'
select 'foo.bar' ~ '^(foo|baz)\.b.r$', 'a1' ~ '^[a-z]\d+$', 'a_1' ~ '^\w+$', 'a 1' ~ '\s'
select 'aaa' ~ '^a{2}$', 'aaa' ~ '^a{2,}$', 'aaa' ~ '^a{1,3}$', '' ~ '^$', 'x' ~ ''
select 'Émile' ~ '^\w+$', 'é' ~* 'É', '€' ~ '\w', 'É' ~ '[[:upper:]]', 'e' ~ '[[:alpha:]]'
select 'a]b' ~ '[]]', 'a-b' ~ '[a-]b', 'a^b' ~ '[\^]', 'tab	x' ~ '\t'
select 'a' ~ '('
select 'a' ~ 'a)'
select 'a' ~ '*a'
select 'a' ~ '[a'
select 'a' ~ 'a{3,2}'
select 'a{' ~ 'a{', 'a{x}' ~ 'a{x}'
select 'a' ~ null, null ~ 'a'
select 'ab' ~ 'a.b', E'a\nb' ~ 'a.b', E'a\nb' ~ '^b'
select 'A' ~ '(?:a|A)', 'abab' ~ '^(ab)+$', 'abc' ~ '^a*?b+?c??$'
select 'x' ~ '[^a-y]', 'z' ~ '[^a-y]', 'K' ~* '[h-l]'
OUTSIDE select 'aa' ~ '(a)\1'
OUTSIDE select 'a' ~ '(?=a)'
OUTSIDE select 'a' ~ '(?i)A'
OUTSIDE select 'a' ~ '\ma'
OUTSIDE select generate_series(1, 3)
OUTSIDE select * from generate_series(1.5, 3)
select 'b' collate "C" < 'a' collate "C"
select 5 = any ('{1,5}'), 5 = any (array[1, 5]), 2 <> all (array[1, 5])
select 3 < any (select n from generate_series(1, 5) n), 9 < any (select n from generate_series(1, 5) n), 0 < all (select n from generate_series(1, 5) n)
select 3 = any (values (1), (null)), 3 > all (values (1), (null)), 3 >= all (select 1 where false), 3 > any (select 1 where false)
select 12::oid, '12'::oid = 12, oid '4294967295', 5::oid::int8
select '4294967296'::oid
select (-1)::int4::oid
select * from unnest('{x,NULL,"a b"}'::text[]) as u
select 5 = any ('{1,5}'), 5 = any (array[1, 5]), 2 <> all (array[1, 5])
select 5 = any ('{1,NULL}'), 5 <> all ('{1,NULL}'), 5 > any ('{7,4}'::int[]), 5 > all ('{}'::int4[]), 5 = any ('{}')
select id from t where id = any ('{1,3}'::int[]) order by 1
select id from t where s = any ('{abc,Abc}') order by 1
select id from t where s = any (string_to_array('abc,x', ',')) order by 1
select id from t where a <> all ('{1,2}') order by 1
select id from t where s like any ('{a%,A%}') order by 1
select id from t where s like any (array['a%', 'A%']) order by 1
select 5 = any ('{a}')
select 5 = any ('{1')
select 3 < any (select n from generate_series(1, 5) n), 9 < any (select n from generate_series(1, 5) n), 0 < all (select n from generate_series(1, 5) n)
select 3 = any (values (1), (null)), 3 > all (values (1), (null)), 3 >= all (select 1 where false), 3 > any (select 1 where false)
select id from t x where x.a > all (select a from t y where y.id < x.id and y.a is not null) order by 1
select id from t where a >= all (select a from t) order by 1
select id, a > any (select qty from o where o.t_id = t.id) from t order by 1
select id from t where null > any (select 1)
select 1 where 1 = all (select 1)
select 'a' < any (select 'b'), 'a' = any (select 'a'), 1 = any (select 1.0), 1.5 > any (select 1)
select s ~ any ('{^a,^b}') from t order by 1
-- Window functions and DISTINCT ON.
select id, row_number() over (order by id) from t order by 1
select id, row_number() over (partition by ok order by id desc) as n from t order by 1
select id, rank() over (order by a), dense_rank() over (order by a), percent_rank() over (order by a), cume_dist() over (order by a) from t order by 1
select id, rank() over (order by s collate "C" nulls first), dense_rank() over (partition by c order by n) from t order by 1
select id, lag(id) over (order by id), lead(id, 2) over (order by id), lag(id, 1, 0) over (order by id desc), lag(s) over (order by id) from t order by 1
select id, first_value(id) over (order by id), last_value(id) over (order by id rows between current row and 1 following), nth_value(id, 2) over (order by id rows between unbounded preceding and unbounded following) from t order by 1
select id, ntile(3) over (order by id) from t order by 1
select id, count(*) over (), count(a) over (partition by ok), sum(a) over (order by id rows between 1 preceding and current row) from t where id < 5 order by 1
select id, sum(qty) over (partition by t_id order by id), avg(qty) over (partition by t_id order by id), min(qty) over (partition by tag order by id), max(tag) over (order by id) from o order by 1
select id, sum(qty) over (order by t_id), count(*) over (order by t_id groups between 1 preceding and current row), count(*) filter (where qty > 3) over (partition by tag) from o order by 1
select id, sum(qty) over w, count(*) over w from o window w as (partition by tag order by id) order by 1
select sum(qty) over (order by id) - qty as before from o order by id
select id from o order by row_number() over (order by id desc)
select * from (select id, tag, row_number() over (partition by tag order by qty desc, id) as place from o) q where place <= 2 order by tag, place
select distinct tag, count(*) over (partition by tag) from o order by 1
select id, d, max(d) over (order by id), min(ts) over (order by id) from t order by 1
select id, row_number() over (order by n, id), row_number() over (order by f, id), row_number() over (order by iv, id) from t order by 1
select id, sum(qty) over (order by id rows between 2 following and 3 following) from o where id < 9 order by 1
select (select max(x) from (select row_number() over (order by o.id) as x from o where o.t_id = t.id) q) from t order by 1
select id from t where row_number() over () = 1
select sum(row_number() over ()) from t
select row_number() over w from t
select lag() over () from t
select id from t group by row_number() over ()
select id from t group by id having row_number() over () = 1
OUTSIDE select tag, sum(count(*)) over () from o group by tag
OUTSIDE select sum(price) over (order by id) from o
OUTSIDE select sum(f) over (order by id) from t
OUTSIDE select last_value(id) over (order by tag) from o
OUTSIDE select sum(qty) over (order by id range between 1 preceding and current row) from o
OUTSIDE select sum(qty) over (order by id rows between 1 preceding and current row exclude current row) from o
OUTSIDE select count(distinct tag) over () from o
select distinct on (tag) tag, id from o order by tag, id
select distinct on (tag) tag, id, qty from o order by tag desc nulls last, qty desc, id
select distinct on (1) tag, id from o order by 1, 2
select distinct on (t_id % 3, tag) id, tag from o order by tag, t_id % 3, id desc
select distinct on (a) id from t order by a, id limit 3
select id from (select distinct on (tag) id, tag from o order by tag, id desc) q order by 1
select distinct on (n) id, n from t order by n, id
select distinct on (tag) tag, count(*) from o group by tag, qty order by tag, count(*), qty
select distinct on (tag) tag, row_number() over (order by id) as k from o order by tag, k
select distinct on (tag) tag, id from o order by id
select row_number() from t
