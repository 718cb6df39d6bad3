-- Fills a fresh database with what there is in a big workshop: what is read beside tasks.
\set ON_ERROR_STOP on
create function nth(kind text, n bigint) returns uuid language sql immutable as
$$ select overlay(overlay(md5(kind || n) placing '4' from 13) placing '8' from 17)::uuid $$;
create function moment(n bigint) returns timestamptz language sql immutable as
$$ select timestamptz '2024-01-01 00:00:00+00' + n * interval '1 second' $$;

insert into users (id, version, created_at, updated_at, username, email, name, city, password_hash,
                   role, is_active, username_key, name_key, city_key, search_text)
select nth('user', n), 1, moment(n), moment(n), 'user' || n, 'user' || n || '@example.org',
       'User ' || n, 'Unknown', '-', 'member', true,
       'user' || n, 'user ' || n, 'unknown', format(E'user%s\nuser %s\nunknown', n, n)
from generate_series(1, 1000) n;

insert into posts (id, version, created_at, updated_at, title, content, slug, author_id, published,
                   published_at, title_key, search_text)
select nth('post', n), 1, moment(n), moment(n), 'News ' || n, repeat('some text ', 40), 'news-' || n,
       nth('user', 1 + n % 1000), true, moment(n),
       'news ' || n, lower(format(E'News %s\n%s', n, repeat('some text ', 40)))
from generate_series(1, 10000) n;

insert into categories (id, version, created_at, updated_at, name, own_key, name_key)
select nth('category', n), 1, moment(n), moment(n), 'Category ' || n, 'category ' || n, 'category ' || n
from generate_series(1, 50) n;

-- Neither the category nor the price tells when a product was added.
insert into products (id, version, created_at, updated_at, name, sku, description, price, stock,
                      reorder_level, category_id, archived, name_key, sku_key, search_text)
select nth('product', n), 1, moment(n), moment(n), 'Product ' || n, 'SKU-' || n,
       repeat('some text ', 1 + n % 12), (n * 7919 % 100000) / 100.0, n * 31 % 100, 5,
       nth('category', 1 + n * 13 / 7 % 50), false, 'product ' || n, 'sku-' || n,
       format(E'product %s\nsku-%s\n%s', n, n, repeat('some text ', 1 + n % 12))
from generate_series(1, 100000) n;

insert into tasks (id, version, created_at, updated_at, title, description, priority, assignee_id,
                   created_by_id, completed_at, title_key, search_text)
select nth('task', n), 1, moment(n), moment(n), 'Task ' || n, repeat('some text ', 1 + n % 12), n % 5,
       nth('user', 1 + n % 1000), nth('user', 1 + n * 7 % 1000), case when n % 3 = 0 then moment(n) end,
       'task ' || n, format(E'task %s\n%s', n, repeat('some text ', 1 + n % 12))
from generate_series(1, 100000) n;

vacuum analyze;
