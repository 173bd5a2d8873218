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
OUTSIDE select sum(a) over () from t
OUTSIDE select s ~ 'a' from t
OUTSIDE select * from generate_series(1, 3)
OUTSIDE select distinct on (a) a from t
OUTSIDE select a from t group by rollup (a)
OUTSIDE select * from t tablesample system (10)
OUTSIDE select id from t for update
OUTSIDE select * from t, lateral (select t.id) x
OUTSIDE select 1 where 1 = all (select 1)
OUTSIDE select 5 > any (select id from t)
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
OUTSIDE select s collate "C" from t
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
