"""Generate the migration from the newest revision to the tables of `adapters.sql.schema.tables`.

Run as `make migration NAME=task_colour`; the name is the revision. The tables are compared with a
fresh SQLite database, so no existing database is needed.
"""

import re
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import migrations
from adapters.sql import database
from adapters.sql.schema.migrations import config, migrate
from adapters.sql.sqlite import engine as sqlite

VERSIONS = Path(migrations.__file__).parent / "versions"


def make(name: str) -> Path:
    """Write the migration, append its name to `REVISIONS`, and return its file.

    Raises:
        SystemExit: when the name is unusable or the tables have not changed.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{2,29}", name):
        raise SystemExit("Give a NAME of 3 to 30 lower-case letters, digits and underscores.")
    if name in database.REVISIONS:
        raise SystemExit(f"There is a revision {name} already.")
    with tempfile.TemporaryDirectory() as folder:
        engine = sqlite.make_engine(Path(folder) / "newest.db", "rwc")
        migrate(engine)
        with engine.connect() as connection:
            command.revision(
                config(connection),
                message=name.replace("_", " ").capitalize(),
                autogenerate=True,
                rev_id=name,
                process_revision_directives=_require_changes,
            )
        engine.dispose()
    path = Path(ScriptDirectory.from_config(config()).get_revision(name).path)
    path = path.rename(VERSIONS / f"{name}.py")
    path.write_text(_keep_triggers(path.read_text()))
    _append(name)
    return path


def _require_changes(
    context: MigrationContext, revision: object, directives: list[ops.MigrationScript]
) -> None:
    (script,) = directives
    assert script.upgrade_ops is not None
    if script.upgrade_ops.is_empty():
        raise SystemExit(
            "The tables are those of the newest revision: there is nothing to migrate."
        )
    for table in script.upgrade_ops.ops:
        for change in getattr(table, "ops", ()):
            if isinstance(change, ops.DropColumnOp):
                place = f"{change.table_name}.{change.column_name}"
                print(f"{place} is removed: see that the downgrade gives it the type it had.")
            if isinstance(change, ops.AddColumnOp) and _is_required(change):
                place = f"{change.table_name}.{change.column.name}"
                print(f"{place} is required: say in the migration what existing rows get.")


def _is_required(change: ops.AddColumnOp) -> bool:
    return not change.column.nullable and change.column.server_default is None


def _keep_triggers(source: str) -> str:
    """Replace Alembic's alterations by `alter_table`, which keeps the search index's triggers."""
    source = re.sub(r" *# ### .* ###\n", "", source)
    altered = re.sub(r"op\.batch_alter_table\((\S+), schema=None\)", r"alter_table(\1)", source)
    if altered != source:
        alembic = "from alembic import op\n"
        ours = "from migrations.alter import alter_table\n"
        altered = altered.replace(alembic, f"{alembic}{ours}", 1)
    return altered


def _append(name: str) -> None:
    path = Path(database.__file__)
    source = path.read_text()
    head = f'    "{database.HEAD}",\n)\n'
    if source.count(head) != 1:
        raise SystemExit(f'Append "{name}" to REVISIONS in {path.name} by hand.')
    path.write_text(source.replace(head, f'    "{database.HEAD}",\n    "{name}",\n)\n'))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Say make migration NAME=…")
    print(f"Written: {make(sys.argv[1])}")
