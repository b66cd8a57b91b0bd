"""
A stand-in for TimescaleDB, which Debian has not: entered into a database's catalog (pg_extension), with a function
create_hypertable() that parts a table by inheritance, as the real one does: the table itself stays empty, a chunk of its
own with the same keys takes the rows of each interval, and a time that a chunk cannot have is an error.
"""

MARK = """
SET allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    SELECT 999999, 'timescaledb', 10, oid, false, 'stand-in' FROM pg_namespace WHERE nspname = 'ts';
"""

STAND_IN = """
CREATE SCHEMA ts; CREATE SCHEMA ts_chunks; CREATE SCHEMA timescaledb_information;
GRANT USAGE ON SCHEMA ts, ts_chunks, timescaledb_information TO PUBLIC;
CREATE TABLE ts.tables (hypertable_schema name, hypertable_name name, width interval);
CREATE VIEW timescaledb_information.hypertables AS SELECT hypertable_schema, hypertable_name FROM ts.tables;
CREATE TABLE ts.chunks (root regclass, number bigint, chunk regclass, PRIMARY KEY (root, number));

CREATE FUNCTION ts.place(root regclass, at timestamptz, width interval) RETURNS regclass LANGUAGE plpgsql AS $$
DECLARE
    slice bigint := CASE WHEN at = '-infinity' THEN -9223372036854775808
        ELSE floor(extract(epoch FROM at) / extract(epoch FROM width))::bigint END;
    found regclass;
BEGIN
    IF at >= '294247-01-01' THEN
        RAISE datetime_field_overflow USING MESSAGE = 'timestamp out of range';
    END IF;
    SELECT chunk INTO found FROM ts.chunks c WHERE c.root = place.root AND c.number = slice;
    IF found IS NULL THEN
        PERFORM pg_advisory_xact_lock(4711);
        SELECT chunk INTO found FROM ts.chunks c WHERE c.root = place.root AND c.number = slice;
    END IF;
    IF found IS NULL THEN
        EXECUTE format('CREATE TABLE ts_chunks.%I (LIKE %s INCLUDING ALL) INHERITS (%s)',
            'c' || replace(slice::text, '-', '_') || '_' || root::oid, root, root);
        found := format('ts_chunks.%I', 'c' || replace(slice::text, '-', '_') || '_' || root::oid)::regclass;
        INSERT INTO ts.chunks VALUES (root, slice, found);
    END IF;
    RETURN found;
END $$;

CREATE FUNCTION ts.route() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %s SELECT ($1).*', ts.place(TG_RELID, NEW.time, TG_ARGV[0]::interval)) USING NEW;
    RETURN NULL;
END $$;

CREATE FUNCTION ts.create_hypertable(relation regclass, time_column_name name, chunk_time_interval interval,
    create_default_indexes boolean, migrate_data boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    rows bigint;
BEGIN
    IF time_column_name != 'time' OR NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = relation
        AND a.attnum = ANY(i.indkey) WHERE i.indrelid = relation AND i.indisunique AND a.attname = time_column_name) THEN
        RAISE EXCEPTION 'cannot create a unique index without the column "%" (used in partitioning)', time_column_name;
    END IF;
    EXECUTE format('SELECT count(*) FROM %s', relation) INTO rows;
    IF rows > 0 AND NOT migrate_data THEN
        RAISE EXCEPTION 'table "%" is not empty', relation;
    END IF;
    EXECUTE format('CREATE TEMP TABLE moving ON COMMIT DROP AS SELECT * FROM %s', relation);
    EXECUTE format('TRUNCATE ONLY %s', relation);
    EXECUTE format('CREATE TRIGGER ts_insert BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION ts.route(%L)', relation,
        chunk_time_interval);
    EXECUTE format('INSERT INTO %s SELECT * FROM moving', relation);
    INSERT INTO ts.tables SELECT n.nspname, c.relname, chunk_time_interval FROM pg_class c JOIN pg_namespace n
        ON n.oid = c.relnamespace WHERE c.oid = relation;
END $$;
"""


def install(server, database):
    """Into a database: from then on the extension is there."""
    server.psql(STAND_IN, database)
    server.psql(MARK, database)
