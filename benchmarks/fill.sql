-- Fills our tables with the rows of the bench, which come on standard input.
\set ON_ERROR_STOP on
create temp table given (
  id uuid, title text, description text, completed boolean, priority integer,
  created_at timestamptz, updated_at timestamptz, version integer
);
\copy given from pstdin

-- The peers' table is not vacuumed behind their backs either.
alter table tasks set (autovacuum_enabled = false);
-- The bench writes plain ASCII, so lower() folds as the service does. Somebody wrote them all down.
insert into tasks (id, version, created_at, updated_at, title, description, priority,
                   created_by_id, completed_at, title_key, search_text)
select id, version, created_at, updated_at, title, description, priority,
       (select id from users),
       case when completed then updated_at end,
       lower(title), lower(title || E'\n' || coalesce(description, ''))
from given order by created_at;

-- What the bench looks at to tell whether an answer is right.
create view bench_tasks as
select id, title, description, completed_at is not null as completed, created_at from tasks;
vacuum analyze tasks;
