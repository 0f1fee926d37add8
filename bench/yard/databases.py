"""A PostgreSQL of the bench's own, and files of SQLite. Both are asked and filled in the same words."""

import csv
import glob
import io
import os
import pathlib
import pwd
import shutil
import sqlite3
import subprocess
import uuid

from .servers import Trouble, free_port

# Ordinary and durable: what isn't named is PostgreSQL's default, fsync and synchronous_commit among it.
SETTINGS = {
    "shared_buffers": "1GB",
    "effective_cache_size": "4GB",
    "max_wal_size": "8GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_connections": "200",
    "jit": "off",
    "random_page_cost": "1.1",
}
# What Packwright sets on its own connections, so that the same statement is asked in the same way.
PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536;"


def binaries():
    for found in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True) + ["/usr/local/bin", "/opt/homebrew/bin"]:
        if os.access(f"{found}/initdb", os.X_OK):
            return found
    raise Trouble("PostgreSQL with pgbench is needed: install postgresql")


class Postgres:
    """A server in a directory of its own."""

    def __init__(self, scratch):
        self.bin = binaries()
        self.home = scratch / "postgres"
        self.home.mkdir()
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.home, account.pw_uid, account.pw_gid)
        self.port = free_port()
        data = self.home / "data"
        self._as(f"{self.bin}/initdb", f"--pgdata={data}", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C")
        said = "".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        said += f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.home}'\n"
        said += "shared_preload_libraries = 'pg_stat_statements'\n"
        with open(data / "postgresql.conf", "a") as conf:
            conf.write(said)
        self._as(f"{self.bin}/pg_ctl", f"--pgdata={data}", f"--log={self.home}/log", "--wait", "--silent", "start")
        self.version = Base(self, "postgres").one("SHOW server_version").split()[0]

    def _as(self, *command):
        """PostgreSQL refuses to run as root."""
        prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        env = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run([*prefix, *command], cwd=self.home, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Trouble(f"{command[0]}: {done.stderr[-500:]}")

    def create(self, name, template=None):
        base = Base(self, "postgres")
        base.run(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return Base(self, name)

    def drop(self, *names):
        for name in names:
            Base(self, "postgres").run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self):
        self._as(f"{self.bin}/pg_ctl", f"--pgdata={self.home}/data", "--mode=fast", "--wait", "--silent", "stop")


class Base:
    """A database of PostgreSQL."""

    kind = "PostgreSQL"

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.url = f"postgres://postgres@127.0.0.1:{server.port}/{name}"

    def _psql(self, *options, sql=None):
        command = [f"{self.server.bin}/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, self.url]
        done = subprocess.run(command, input=sql, capture_output=True, text=True)
        if done.returncode:
            raise Trouble(f"{self.name}: {done.stderr[-800:]}")
        return done.stdout

    def run(self, sql):
        return self._psql(sql=sql)

    def rows(self, sql):
        """Rows of texts; NULL is empty."""
        return list(csv.reader(io.StringIO(self._psql("--csv", "-t", sql=sql))))

    def one(self, sql):
        return self.rows(sql)[0][0]

    def insert(self, table, columns, rows):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([["\\N" if v is None else v for v in row] for row in rows])
        head = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv, NULL '\\N');\n"
        self._psql(sql=head + text.getvalue() + "\\.\n")

    def columns(self, table):
        sql = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' AND table_schema = 'public' ORDER BY ordinal_position"
        return [name for (name,) in self.rows(sql)]

    def id(self, value):
        return f"'{value}'::uuid"

    def made_id(self, kind, n="g.n"):
        """An expression: a new id for each number, in their order."""
        return f"('019a000{kind}-0000-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid"

    series = "generate_series(1, {}) AS g(n)"

    def settle(self):
        """What a database does by and by, done now, so that no measurement gets it."""
        self.run("VACUUM ANALYZE; CHECKPOINT;")


class Lite:
    """A file of SQLite."""

    kind = "SQLite"
    series = "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {}) SELECT n FROM s) AS g"

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.url = f"sqlite://{path}"
        self.name = self.path.name

    def connect(self):
        wire = sqlite3.connect(self.path, isolation_level=None, timeout=60)
        wire.executescript(PRAGMAS)
        wire.create_function("made_id", 2, lambda kind, n: bytes.fromhex(f"019a000{kind}000070008000{n:012x}"), deterministic=True)
        return wire

    def run(self, sql):
        wire = self.connect()
        wire.executescript(sql)
        wire.close()

    def rows(self, sql):
        wire = self.connect()
        text = lambda value: "" if value is None else str(uuid.UUID(bytes=value)) if isinstance(value, bytes) and len(value) == 16 else str(value)
        rows = [[text(value) for value in row] for row in wire.execute(sql)]
        wire.close()
        return rows

    def one(self, sql):
        return self.rows(sql)[0][0]

    def insert(self, table, columns, rows):
        wire = self.connect()
        raw = lambda value: uuid.UUID(value).bytes if isinstance(value, str) and len(value) == 36 else value
        marks = ", ".join("?" for _ in columns)
        wire.execute("BEGIN")
        wire.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", ([raw(v) for v in row] for row in rows))
        wire.execute("COMMIT")
        wire.close()

    def columns(self, table):
        return [row[0] for row in self.rows(f"SELECT name FROM pragma_table_info('{table}')")]

    def id(self, value):
        return f"x'{uuid.UUID(value).hex}'"

    def made_id(self, kind, n="g.n"):
        return f"made_id({kind}, {n})"

    def settle(self):
        self.run("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);")

    def copy(self, path):
        self.settle()
        shutil.copyfile(self.path, path)
        return Lite(path)
