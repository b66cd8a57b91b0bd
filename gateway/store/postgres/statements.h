/*
 * Every statement of the PostgreSQL store: X(id, SQL). Those of the first list are prepared at first use,
 * once a connection; those of the second are planned each time, for the parameters that they get.
 */
#ifndef POSTGRES_STATEMENTS_H
#define POSTGRES_STATEMENTS_H

/* The keys of advisory locks: "bul1" to "bul3" in ASCII, and the schema. */
#define PG_THIS_SCHEMA  "hashtext(current_schema()::text)"
#define PG_LOCK_USE     "1651862577, " PG_THIS_SCHEMA /* whoever has it open; alone: bulla restored */
#define PG_LOCK_MIGRATE "1651862578, " PG_THIS_SCHEMA
#define PG_LOCK_SERIES  "1651862579, " PG_THIS_SCHEMA /* shared: uses ids of series; alone: deletes some */

/* Of the arrays of a statement the planner does not see how long they are: so a plan for any length is as
 * good to it as one for these, and it makes none for each batch. One of them is enough. */
#define PG_FIRST_ARRAY "(SELECT $1::bigint[])"

/* The clock: a test's, or the database's own. Stable within a statement. */
#define PG_NOW(parameter)                                                                                    \
    "coalesce(" parameter "::bigint, floor(extract(epoch FROM statement_timestamp()))::bigint)"

#define PG_DEVICE_COLUMNS                                                                                    \
    "d.id, d.name, d.kid, d.alg, d.kind, d.revoked, d.exported, d.created, d.secret, d.lost"

#define PG_LAST_SEEN                                                                                         \
    "greatest((SELECT max(seen) FROM contexts WHERE device = d.id),"                                         \
    " (SELECT max(seen) FROM wires WHERE device = d.id), 0::bigint)"

#define PG_ITS_WIRE "coalesce((SELECT wire FROM wires WHERE device = d.id AND closed = 0), ''::text)"

#define PG_WIRE_COLUMNS                                                                                      \
    "w.id, w.device, w.grp, coalesce(d.name, ''::text), coalesce(d.revoked, false), w.wire, w.route,"        \
    " w.session_topic, w.node, w.reading_name, w.flags, w.lifetime, w.grace, w.number, w.stored, w.hashes,"  \
    " w.seen, w.closed, w.keys"

#define PG_WIRES "FROM wires w LEFT JOIN devices d ON d.id = w.device"

/* The nodes of a device ($1) that is a group. */
#define PG_ITS_NODES "grp IN (SELECT id FROM wires WHERE device = $1::bigint)"

/* Those of them that have no native credential go with their group. */
#define PG_NODES_THAT_GO                                                                                     \
    "(SELECT w.device FROM wires w JOIN devices d ON d.id = w.device"                                        \
    " WHERE w." PG_ITS_NODES " AND d.kid IS NULL)"

#define PG_CONTEXT_COLUMNS "c.device, c.id_context, c.proven, c.proven_t, c.closes_at, c.top, c.bits, c.lower"

/* Clock, floor and a row in one read (PROTOCOL 4.4). A session whose time to close has come is gone, though
 * its row may still be there: its T counts. */
#define PG_WITH_CLOCK(condition)                                                                             \
    "SELECT n.now, greatest((SELECT value FROM numbers WHERE name = 'floor'),"                               \
    " coalesce((SELECT max(g.proven_t) FROM contexts g WHERE g.device = $1::bigint"                          \
    " AND g.closes_at != 0 AND g.closes_at <= n.now), 0)), " PG_CONTEXT_COLUMNS                              \
    " FROM (SELECT " PG_NOW("$2") " AS now) n LEFT JOIN contexts c ON c.device = $1::bigint"                 \
                                  " AND (c.closes_at = 0 OR c.closes_at > n.now) AND " condition

/* Raises F to the T of what the CTE `gone` has deleted: exactly that, whatever others do meanwhile. */
#define PG_RAISE_FLOOR                                                                                       \
    "raised AS (UPDATE numbers SET value = greatest(value, (SELECT max(proven_t) FROM gone))"                \
    " WHERE name = 'floor' AND EXISTS (SELECT 1 FROM gone) RETURNING 1)"

#define PG_STATEMENTS_PREPARED(X)                                                                            \
    X(BEGIN, "BEGIN ISOLATION LEVEL READ COMMITTED")                                                         \
    X(COMMIT, "COMMIT")                                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                                  \
    X(HURRY, "SET LOCAL lock_timeout = 100")                                                                 \
                                                                                                             \
    X(META_GET, "SELECT value FROM meta WHERE name = $1::text")                                              \
    X(META_PUT, "INSERT INTO meta (name, value) VALUES ($1::text, $2::bytea) ON CONFLICT DO NOTHING")        \
    X(META_REPLACE, "INSERT INTO meta (name, value) VALUES ($1::text, $2::bytea)"                            \
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value")                              \
    X(NUMBER_GET, "SELECT value FROM numbers WHERE name = $1::text")                                         \
    X(NUMBER_RAISE, "UPDATE numbers SET value = value + 1 WHERE name = $1::text")                            \
    X(ISSUED_T_RAISE,                                                                                        \
      "UPDATE numbers SET value = $1::bigint WHERE name = 'issued_t' AND value < $1::bigint")                \
    X(ISSUED_T_HOLD, "SELECT value FROM numbers WHERE name = 'issued_t' FOR SHARE")                          \
    X(GATEWAY_ID_ADD, "INSERT INTO gateway_ids (id, started) VALUES ($1::bytea, $2::bigint)"                 \
                      " ON CONFLICT DO NOTHING")                                                             \
                                                                                                             \
    X(KID_TAKEN, "SELECT EXISTS (SELECT 1 FROM devices WHERE kid = $1::bytea)"                               \
                 " OR EXISTS (SELECT 1 FROM tombstones WHERE kid = $1::bytea)")                              \
    X(CLASHES, "SELECT EXISTS (SELECT 1 FROM devices WHERE name = $1::text),"                                \
               " EXISTS (SELECT 1 FROM devices WHERE kid = $2::bytea)"                                       \
               " OR EXISTS (SELECT 1 FROM tombstones WHERE kid = $2::bytea)")                                \
    X(DEVICE_ADD,                                                                                            \
      "WITH d AS (INSERT INTO devices (name, kid, alg, kind, revoked, exported, created, secret)"            \
      " VALUES ($1::text, $2::bytea, $3::bigint, $4::bigint, $5::boolean, $6::bigint, $7::bigint,"           \
      " $8::bytea) RETURNING id, kid, kind),"                                                                \
      " c AS (INSERT INTO contexts (device, id_context, proven) SELECT id, ''::bytea, $9::boolean FROM d"    \
      " WHERE kind = $10::bigint AND kid IS NOT NULL) SELECT id FROM d")                                     \
    X(DEVICE_BY_KID,                                                                                         \
      "SELECT " PG_DEVICE_COLUMNS ", 0::bigint, ''::text FROM devices d WHERE d.kid = $1::bytea")            \
    X(DEVICE_BY_NAME,                                                                                        \
      "SELECT " PG_DEVICE_COLUMNS ", 0::bigint, ''::text FROM devices d WHERE d.name = $1::text")            \
    X(DEVICES_AFTER, "SELECT " PG_DEVICE_COLUMNS ", " PG_LAST_SEEN ", " PG_ITS_WIRE                          \
                     " FROM devices d WHERE d.name > $1::text"                                               \
                     " AND ($2::bigint = 0 OR (NOT d.revoked AND d.created * 1000000 < $2::bigint"           \
                     " AND " PG_LAST_SEEN " < $2::bigint))"                                                  \
                     " AND NOT EXISTS (SELECT 1 FROM unnest($3::text[], $4::text[]) AS w(key, value)"        \
                     " WHERE NOT EXISTS (SELECT 1 FROM labels l WHERE l.device = d.id AND l.key = w.key"     \
                     " AND (w.value IS NULL OR l.value = w.value))) ORDER BY d.name LIMIT 256")              \
    X(DEVICE_COUNT, "SELECT count(*) FROM devices")                                                          \
    X(DEVICE_HOLD, "SELECT 1 FROM devices WHERE id = $1::bigint FOR UPDATE")                                 \
    X(DEVICES_HOLD, "SELECT id FROM devices WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE")     \
    X(DEVICE_CONTEXTS_HOLD, "SELECT 1 FROM contexts WHERE device = $1::bigint ORDER BY id_context"           \
                            " FOR UPDATE")                                                                   \
    X(DEVICE_REVOKE, "UPDATE devices SET revoked = true WHERE id = $1::bigint")                              \
    X(DEVICE_EXPORTED, "UPDATE devices SET exported = exported + 1 WHERE id = $1::bigint"                    \
                       " RETURNING exported")                                                                \
    X(DEVICE_BURY, "INSERT INTO tombstones (kid, name, removed) SELECT kid, name, " PG_NOW(                  \
                       "$2") " FROM devices WHERE id = $1::bigint AND kid IS NOT NULL")                      \
    X(DEVICE_CONTEXTS_DELETE, "WITH gone AS (DELETE FROM contexts WHERE device = $1::bigint"                 \
                              " RETURNING proven_t), " PG_RAISE_FLOOR " SELECT count(*) FROM gone")          \
    X(DEVICE_DELETE, "DELETE FROM devices WHERE id = $1::bigint")                                            \
    X(DEVICES_LOST, "UPDATE devices d SET lost = d.lost + least(w.lost, 9223372036854775807 - d.lost)"       \
                    " FROM (SELECT u.device, sum(u.lost) AS lost"                                            \
                    " FROM unnest($1::bigint[], $2::bigint[]) AS u(device, lost) GROUP BY u.device) w"       \
                    " WHERE d.id = w.device")                                                                \
                                                                                                             \
    X(DEVICE_LOST, "UPDATE devices SET lost = lost + least($2::bigint, 9223372036854775807 - lost)"          \
                   " WHERE id = $1::bigint")                                                                 \
    X(DEVICE_UPGRADE,                                                                                        \
      "WITH d AS (UPDATE devices SET kid = $2::bytea, alg = $3::bigint, kind = $4::bigint,"                  \
      " secret = $5::bytea, exported = 0 WHERE id = $1::bigint AND kid IS NULL RETURNING id, kind),"         \
      " c AS (INSERT INTO contexts (device, id_context, proven)"                                             \
      " SELECT id, ''::bytea, $6::boolean FROM d WHERE kind = $7::bigint) SELECT 1 FROM d")                  \
                                                                                                             \
    X(WIRES_HOLD, "SELECT value FROM numbers WHERE name = 'wires' FOR UPDATE")                               \
    X(WIRES_HOLD_OF, "SELECT value FROM numbers WHERE name = 'wires' AND EXISTS (SELECT 1 FROM wires"        \
                     " WHERE device = ANY($1::bigint[]) AND closed = 0) FOR UPDATE")                         \
    X(WIRES_CLOSE,                                                                                           \
      "WITH closed AS (UPDATE wires w SET closed = 2, keys = ''::bytea WHERE w.device = ANY($1::bigint[])"   \
      " AND w.closed = 0 AND EXISTS (SELECT 1 FROM devices d WHERE d.id = w.device AND d.kid IS NOT NULL)"   \
      " RETURNING 1) UPDATE numbers SET value = value + 1 WHERE name IN ('generation', 'wires')"             \
      " AND EXISTS (SELECT 1 FROM closed)")                                                                  \
    X(WIRE_ADD, "INSERT INTO wires (device, grp, wire, route, session_topic, node, reading_name, flags,"     \
                " lifetime, grace, keys, number) VALUES ($1::bigint, $2::bigint, $3::text, $4::text,"        \
                " $5::text, $6::text, $7::text, $8::bigint, $9::bigint, $10::bigint, $11::bytea,"            \
                " $12::bigint)")                                                                             \
    X(WIRE_TAKE_UP, "UPDATE wires SET device = $1::bigint, session_topic = $5::text, node = $6::text,"       \
                    " reading_name = $7::text, flags = $8::bigint, lifetime = $9::bigint,"                   \
                    " grace = $10::bigint, keys = $11::bytea, closed = 0,"                                   \
                    " number = greatest(number, $12::bigint) WHERE grp = $2::bigint"                         \
                    " AND wire = $3::text AND route = $4::text AND device = 0 AND closed != 0")              \
    X(WIRE_NEIGHBOURS, "SELECT (SELECT count(*) FROM wires w WHERE w.wire = $1::text"                        \
                       " AND w.route = $2::text AND w.grp = 0 AND w.device != 0),"                           \
                       " EXISTS (SELECT 1 FROM wires w WHERE $3::text != '' AND w.session_topic = $3::text"  \
                       " AND w.closed = 0 AND w.grp = 0 AND (w.lifetime != $4::bigint"                       \
                       " OR w.grace != $5::bigint OR (w.flags & $6::bigint) != $7::bigint)),"                \
                       " EXISTS (SELECT 1 FROM wires w WHERE $3::text != '' AND w.closed = 0 AND w.grp = 0"  \
                       " AND w.session_topic != '' AND (w.route = $3::text OR w.session_topic = $2::text))") \
    X(WIRE_FIND, "SELECT " PG_WIRE_COLUMNS " " PG_WIRES " WHERE w.wire = $1::text AND w.route = $2::text"    \
                 " AND w.grp = 0 AND w.device != 0 ORDER BY w.closed, w.node = '', w.id LIMIT $3::bigint")   \
    X(WIRE_FIND_FLAG, "SELECT " PG_WIRE_COLUMNS " " PG_WIRES " WHERE w.wire = $1::text AND w.closed = 0"     \
                      " AND w.grp = 0 AND (w.flags & $2::bigint) != 0 ORDER BY w.id LIMIT $3::bigint")       \
    X(WIRE_NODE, "SELECT " PG_WIRE_COLUMNS " " PG_WIRES " WHERE w.grp = $1::bigint AND w.node = $2::text")   \
    X(NODE_MAY_ENTER,                                                                                        \
      "SELECT NOT EXISTS (SELECT 1 FROM devices WHERE name = $2::text)"                                      \
      " AND (SELECT count(*) FROM wires WHERE grp = $1::bigint AND closed = 0) < $3::bigint")                \
    X(WIRE_OF, "SELECT " PG_WIRE_COLUMNS ", (SELECT count(*) FROM wires n WHERE n.grp = w.id"                \
               " AND n.closed = 0) " PG_WIRES " WHERE w.device = $1::bigint")                                \
    X(WIRES_EACH, "SELECT " PG_WIRE_COLUMNS " " PG_WIRES " WHERE w.closed = 0 AND w.grp = 0 ORDER BY w.id")  \
    X(WIRE_MOVE, "UPDATE wires SET number = CASE WHEN $2::boolean THEN $3::bigint ELSE number END,"          \
                 " stored = stored + $4::bigint, seen = greatest(seen, $5::bigint),"                         \
                 " hashes = hashes + $6::bigint WHERE id = $1::bigint RETURNING stored, grp")                \
    X(WIRE_SEEN, "UPDATE wires SET seen = greatest(seen, $2::bigint) WHERE id = $1::bigint")                 \
    X(WIRE_HASH_ADD, "INSERT INTO wire_hashes (wire, hash) SELECT id, $2::bytea FROM wires"                  \
                     " WHERE id = $1::bigint AND hashes < $3::bigint ON CONFLICT DO NOTHING")                \
    X(WIRE_HASH_FIND, "SELECT 1 FROM wire_hashes WHERE wire = $1::bigint AND hash = $2::bytea")              \
    X(WIRE_CLOSE, "UPDATE wires SET closed = 2, keys = ''::bytea WHERE device = $1::bigint AND closed = 0"   \
                  " AND EXISTS (SELECT 1 FROM devices WHERE id = $1::bigint AND kid IS NOT NULL)")           \
    X(NODES_LABELS_DELETE, "DELETE FROM labels WHERE device IN " PG_NODES_THAT_GO)                           \
    X(NODES_DELETE, "DELETE FROM devices WHERE id IN " PG_NODES_THAT_GO)                                     \
    X(NODE_WIRES_DELETE,                                                                                     \
      "DELETE FROM wires WHERE " PG_ITS_NODES " AND device NOT IN (SELECT id FROM devices)")                 \
    X(NODE_WIRES_CLOSE, "UPDATE wires SET closed = 2 WHERE " PG_ITS_NODES " AND closed = 0")                 \
    X(WIRE_DELETE, "DELETE FROM wires WHERE device = $1::bigint AND session_topic != '' AND closed = 0"      \
                   " AND id NOT IN (SELECT grp FROM wires)")                                                 \
    X(WIRE_BURY, "UPDATE wires SET device = 0, keys = ''::bytea, closed = greatest(closed, 1)"               \
                 " WHERE device = $1::bigint")                                                               \
                                                                                                             \
    X(SESSIONS, "SELECT id, issued, retired, spent, hash FROM session_ids WHERE topic = $1::text"            \
                " ORDER BY spent != 0, spent DESC, n DESC LIMIT $2::bigint")                                 \
    X(SESSION_RETIRE, "UPDATE session_ids SET retired = greatest($2::bigint, 1)"                             \
                      " WHERE topic = $1::text AND spent = 0 AND retired = 0")                               \
    X(SESSION_ADD, "INSERT INTO session_ids (topic, id, issued) VALUES ($1::text, $2::text, $3::bigint)"     \
                   " ON CONFLICT DO NOTHING")                                                                \
    X(SESSIONS_PRUNE_FUTURE,                                                                                 \
      "DELETE FROM session_ids WHERE topic = $1::text AND spent = 0 AND retired > $2::bigint")               \
    X(SESSIONS_PRUNE_UNSPENT,                                                                                \
      "DELETE FROM session_ids WHERE topic = $1::text AND spent = 0 AND n NOT IN (SELECT n FROM session_ids" \
      " WHERE topic = $1::text AND spent = 0 ORDER BY n DESC LIMIT $2::bigint)")                             \
    X(SESSIONS_PRUNE_SPENT,                                                                                  \
      "DELETE FROM session_ids WHERE topic = $1::text AND spent != 0 AND n NOT IN"                           \
      " (SELECT n FROM session_ids WHERE topic = $1::text AND spent != 0 ORDER BY spent DESC"                \
      " LIMIT $2::bigint)")                                                                                  \
    X(SESSION_SPEND, "UPDATE session_ids SET hash = $3::bytea,"                                              \
                     " spent = (SELECT max(spent) + 1 FROM session_ids WHERE topic = $1::text)"              \
                     " WHERE topic = $1::text AND id = $2::text AND spent = 0")                              \
    X(SESSIONS_VOID, "UPDATE session_ids SET spent = n + (SELECT max(spent) FROM session_ids)"               \
                     " WHERE spent = 0")                                                                     \
    X(SESSIONS_DELETE_UNUSED, "DELETE FROM session_ids WHERE topic NOT IN"                                   \
                              " (SELECT session_topic FROM wires WHERE closed = 0)")                         \
                                                                                                             \
    X(LABEL_PUT, "INSERT INTO labels AS l (device, key, value) VALUES ($1::bigint, $2::text, $3::text)"      \
                 " ON CONFLICT (device, key) DO UPDATE SET value = excluded.value"                           \
                 " WHERE l.value != excluded.value")                                                         \
    X(LABEL_DELETE, "DELETE FROM labels WHERE device = $1::bigint AND key = $2::text")                       \
    X(LABEL_COUNT, "SELECT count(*) FROM labels WHERE device = $1::bigint")                                  \
    X(LABELS, "SELECT key, value FROM labels WHERE device = $1::bigint ORDER BY key")                        \
    X(LABELS_DELETE, "DELETE FROM labels WHERE device = $1::bigint")                                         \
                                                                                                             \
    X(COUNTER_STATE, "SELECT proven AND lower >= $2::bigint FROM contexts WHERE device = $1::bigint"         \
                     " AND id_context = ''::bytea FOR UPDATE")                                               \
    X(COUNTER_TRUST, "UPDATE contexts SET proven = true, lower = greatest(lower, $2::bigint)"                \
                     " WHERE device = $1::bigint AND id_context = ''::bytea")                                \
    X(CONTEXTS_UNPROVE, "UPDATE contexts SET proven = false WHERE proven")                                   \
    X(CONTEXT_FIND, PG_WITH_CLOCK("c.id_context = $3::bytea"))                                               \
    X(CONTEXT_NEWEST,                                                                                        \
      PG_WITH_CLOCK("c.id_context != ''::bytea AND c.proven") " ORDER BY c.rank DESC NULLS LAST LIMIT 1")    \
    X(CONTEXTS_OF, "SELECT " PG_CONTEXT_COLUMNS " FROM contexts c WHERE c.device = $1::bigint"               \
                   " AND (c.closes_at = 0 OR c.closes_at > " PG_NOW("$2") ") ORDER BY c.id_context")         \
    X(CONTEXTS_CLOSE, "WITH due AS (SELECT device, id_context FROM contexts WHERE closes_at != 0"            \
                      " AND closes_at <= " PG_NOW(                                                           \
                          "$1") " ORDER BY device, id_context FOR UPDATE SKIP LOCKED),"                      \
                                " gone AS (DELETE FROM contexts c USING due d WHERE c.device = d.device"     \
                                " AND c.id_context = d.id_context RETURNING c.proven_t), " PG_RAISE_FLOOR    \
                                " SELECT count(*) FROM gone")                                                \
                                                                                                             \
    X(SERIES_LOCK, "SELECT pg_advisory_xact_lock_shared(" PG_LOCK_SERIES ")")                                \
    X(SERIES_GONE, "SELECT value FROM numbers WHERE name = 'series_gone'")                                   \
    X(CONTEXTS_HOLD, "SELECT 1 FROM contexts c JOIN (SELECT u.device, u.id_context"                          \
                     " FROM unnest(" PG_FIRST_ARRAY ", $2::bytea[]) AS u(device, id_context)"                \
                     " UNION SELECT p.device, p.id_context FROM contexts p WHERE p.device = ANY((SELECT "    \
                     "$3::bigint[])::bigint[])) w"                                                           \
                     " ON w.device = c.device AND w.id_context = c.id_context"                               \
                     " ORDER BY c.device, c.id_context FOR NO KEY UPDATE OF c")                              \
    X(CONTEXTS_MOVE,                                                                                         \
      "UPDATE contexts c SET top = w.top, bits = w.bits, lower = w.lower, seen = greatest(c.seen, w.seen)"   \
      " FROM unnest(" PG_FIRST_ARRAY                                                                         \
      ", $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],"                               \
      " $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]) AS w(device, id_context, top, bits, lower," \
      " seen, old_top, old_bits, old_lower, place)"                                                          \
      " WHERE c.device = w.device AND c.id_context = w.id_context AND c.proven"                              \
      " AND (c.closes_at = 0 OR c.closes_at > " PG_NOW(                                                      \
          "$11") ")"                                                                                         \
                 " AND c.top = w.old_top AND c.bits = w.old_bits AND c.lower = w.old_lower"                  \
                 " AND EXISTS (SELECT 1 FROM devices d WHERE d.id = w.device AND NOT d.revoked) RETURNING "  \
                 "w.place")                                                                                  \
    X(CONTEXTS_DUE_DELETE,                                                                                   \
      "WITH gone AS (DELETE FROM contexts WHERE device = ANY($1::bigint[]) AND closes_at != 0"               \
      " AND closes_at <= " PG_NOW("$2") " RETURNING proven_t), " PG_RAISE_FLOOR                              \
                                        " SELECT count(*) FROM gone")                                        \
    X(CONTEXT_PROVE,                                                                                         \
      "WITH t AS (SELECT (SELECT value FROM numbers WHERE name = 'floor') AS floor,"                         \
      " (SELECT value FROM numbers WHERE name = 'issued_t') AS issued),"                                     \
      " proved AS (INSERT INTO contexts AS c"                                                                \
      " (device, id_context, proven, proven_t, closes_at, top, bits, lower, seen, rank)"                     \
      " SELECT d.id, $2::bytea, true, greatest($3::bigint, t.issued), 0, $4::bigint, $5::bigint,"            \
      " $6::bigint, $7::bigint, (SELECT coalesce(max(rank), 0) + 1 FROM contexts WHERE device = d.id)"       \
      " FROM devices d CROSS JOIN t"                                                                         \
      " LEFT JOIN contexts o ON o.device = d.id AND o.id_context = $2::bytea"                                \
      " WHERE d.id = $1::bigint AND NOT d.revoked AND d.kind = $8::bigint"                                   \
      " AND $3::bigint > t.floor AND $3::bigint + 1 >= t.issued"                                             \
      " AND CASE WHEN o.device IS NULL THEN $9::boolean ELSE NOT o.proven AND o.top = $10::bigint"           \
      " AND o.bits = $11::bigint AND o.lower = $12::bigint END"                                              \
      " ON CONFLICT (device, id_context) DO UPDATE SET proven = true,"                                       \
      " proven_t = greatest(c.proven_t, excluded.proven_t), closes_at = 0, top = excluded.top,"              \
      " bits = excluded.bits, lower = excluded.lower, seen = greatest(c.seen, excluded.seen),"               \
      " rank = excluded.rank RETURNING c.device),"                                                           \
      " superseded AS (UPDATE contexts s SET closes_at = " PG_NOW(                                           \
          "$13") " + $14::bigint"                                                                            \
                 " FROM proved WHERE s.device = proved.device AND $2::bytea != ''::bytea"                    \
                 " AND s.id_context NOT IN (''::bytea, $2::bytea) AND s.closes_at = 0 RETURNING 1)"          \
                 " SELECT 1 FROM proved")                                                                    \
                                                                                                             \
    X(SERIES_ADD,                                                                                            \
      "INSERT INTO series (device, key, name, unit, name_bytes, unit_bytes, type, format, device_name,"      \
      " first, last) SELECT w.device, w.key, w.name, w.unit, w.name_bytes, w.unit_bytes, w.type, w.format,"  \
      " d.name, w.first, w.last FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::text[],"              \
      " $5::bytea[], $6::bytea[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[]) AS w(device, key,"  \
      " name, unit, name_bytes, unit_bytes, type, format, first, last)"                                      \
      " JOIN devices d ON d.id = w.device ORDER BY w.device, w.key ON CONFLICT (device, key) DO NOTHING")    \
    X(SERIES_FIND, "SELECT w.place, s.id, s.first, s.last"                                                   \
                   " FROM unnest($1::bigint[], $2::bytea[]) WITH ORDINALITY AS w(device, key, place)"        \
                   " JOIN series s ON s.device = w.device AND s.key = w.key")                                \
    X(SERIES_WIDEN,                                                                                          \
      "WITH held AS (SELECT id FROM series WHERE id = ANY($1::bigint[]) ORDER BY device, key"                \
      " FOR NO KEY UPDATE)"                                                                                  \
      " UPDATE series s SET first = least(s.first, w.first), last = greatest(s.last, w.last)"                \
      " FROM held JOIN (SELECT u.id, min(u.first) AS first, max(u.last) AS last"                             \
      " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u(id, first, last) GROUP BY u.id) w"        \
      " ON w.id = held.id WHERE s.id = held.id")                                                             \
    X(POINTS_ADD,                                                                                            \
      "INSERT INTO points (time, tx, series, piv, received, early, number, whole, k, text, data)"            \
      " SELECT w.time, x.tx, w.series, w.piv, w.received, w.early, w.number, w.whole, w.k, w.text, w.data"   \
      " FROM (SELECT pg_current_xact_id()::text::bigint AS tx) x,"                                           \
      " unnest($1::timestamptz[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::bigint[],"              \
      " $6::float8[], $7::bigint[], $8::text[], $9::bytea[]) WITH ORDINALITY"                                \
      " AS w(time, series, piv, received, early, number, whole, text, data, k)")                             \
    X(MOVES_ADD,                                                                                             \
      "WITH moved AS (UPDATE contexts c SET top = w.top, bits = w.bits, seen = greatest(c.seen, w.seen)"     \
      " FROM unnest(" PG_FIRST_ARRAY ", $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[],"              \
      " $6::bigint[], $7::bigint[], $8::bigint[]) WITH ORDINALITY AS w(device, id_context, top, bits,"       \
      " lower, seen, old_top, old_bits, place)"                                                              \
      " WHERE c.device = w.device AND c.id_context = w.id_context AND c.proven"                              \
      " AND (c.closes_at = 0 OR c.closes_at > " PG_NOW(                                                      \
          "$9") ")"                                                                                          \
                " AND c.top = w.old_top AND c.bits = w.old_bits AND c.lower = w.lower RETURNING w.place),"   \
                " added AS (INSERT INTO points (time, tx, series, piv, received, early, number, whole, k, "  \
                "text, data)"                                                                                \
                " SELECT p.time, (SELECT pg_current_xact_id()::text::bigint), p.series, p.piv, p.received, " \
                "p.early,"                                                                                   \
                " p.number, p.whole, p.k, p.text, p.data FROM unnest($10::bigint[], $11::timestamptz[],"     \
                " $12::bigint[], $13::bigint[], $14::timestamptz[], $15::bigint[], $16::float8[], "          \
                "$17::bigint[],"                                                                             \
                " $18::text[], $19::bytea[]) WITH ORDINALITY AS p(place, time, series, piv, received, "      \
                "early, number,"                                                                             \
                " whole, text, data, k) WHERE (p.place IN (SELECT place FROM moved)) IS TRUE)"               \
                " SELECT o.place FROM generate_series(1::bigint, cardinality(" PG_FIRST_ARRAY                \
                ")::bigint) AS o(place)"                                                                     \
                " WHERE o.place NOT IN (SELECT place FROM moved)")                                           \
    X(MOVES_HOLD,                                                                                            \
      "SELECT 1 / (NOT EXISTS (SELECT 1 FROM devices WHERE id = ANY($1::bigint[]) AND revoked)"              \
      " AND coalesce((SELECT value FROM numbers WHERE name = 'series_gone'), -1) = $2::bigint)::integer,"    \
      " (SELECT value FROM numbers WHERE name = 'generation')")                                              \
    X(EXPIRE_IS_DUE, "SELECT EXISTS (SELECT 1 FROM points WHERE time < $1::timestamptz),"                    \
                     " EXISTS (SELECT 1 FROM series WHERE last <= $2::bigint)")                              \
    X(POINTS_DELETE, "DELETE FROM points WHERE (time, tx, k) IN (SELECT time, tx, k FROM points"             \
                     " WHERE time < $1::timestamptz ORDER BY time, tx, k LIMIT $2::bigint"                   \
                     " FOR UPDATE SKIP LOCKED)")                                                             \
    X(SERIES_LOCK_ALONE, "SELECT pg_advisory_xact_lock(" PG_LOCK_SERIES ")")                                 \
    X(SERIES_DELETE,                                                                                         \
      "DELETE FROM series WHERE id IN (SELECT id FROM series WHERE last <= $2::bigint LIMIT $3::bigint)"     \
      " AND NOT EXISTS (SELECT 1 FROM points WHERE time < $1::timestamptz)")                                 \
                                                                                                             \
    X(OUTBOX_ADD,                                                                                            \
      "WITH e AS (UPDATE outbox_end SET n = n + $7::bigint + $4::bigint, points = points + $5::bigint,"      \
      " bytes = bytes + $6::bigint RETURNING n - $4::bigint AS n, points - $5::bigint AS points,"            \
      " bytes - $6::bigint AS bytes)"                                                                        \
      " INSERT INTO outbox (n, received, points, all_points, all_bytes, parcel)"                             \
      " SELECT e.n + w.place, w.received, w.points,"                                                         \
      " e.points + (sum(w.points) OVER (ORDER BY w.place))::bigint,"                                         \
      " e.bytes + (sum(octet_length(w.parcel)) OVER (ORDER BY w.place))::bigint, w.parcel"                   \
      " FROM e, unnest($1::bigint[], $2::bigint[], $3::bytea[]) WITH ORDINALITY"                             \
      " AS w(received, points, parcel, place)")                                                              \
    X(OUTBOX_AFTER,                                                                                          \
      "SELECT o.n, o.received, o.points, o.all_points, o.all_bytes, o.parcel FROM (SELECT n, received,"      \
      " points, all_points, all_bytes, parcel, all_bytes - octet_length(parcel) AS start,"                   \
      " first_value(all_bytes - octet_length(parcel)) OVER (ORDER BY n) AS first"                            \
      " FROM (SELECT * FROM outbox WHERE n > $1::bigint ORDER BY n LIMIT 2048) few) o"                       \
      " WHERE o.start < o.first + $2::bigint ORDER BY o.n")                                                  \
    X(OUTBOX_DELETE, "DELETE FROM outbox WHERE n IN (SELECT n FROM outbox WHERE n <="                        \
                     " (SELECT coalesce(min(n), 9223372036854775807) FROM sinks) ORDER BY n"                 \
                     " LIMIT $1::bigint FOR UPDATE SKIP LOCKED)")                                            \
    X(SINKS_COUNT, "SELECT count(*) FROM sinks")                                                             \
    X(SINKS_ADD,                                                                                             \
      "INSERT INTO sinks (name, n, points, bytes, added) SELECT $1::text, e.n, e.points, e.bytes,"           \
      " $2::bigint FROM (SELECT * FROM outbox_end FOR UPDATE) e ON CONFLICT DO NOTHING")                     \
    X(SINKS_DELETE, "DELETE FROM sinks WHERE name = $1::text")                                               \
    X(SINKS, "SELECT s.name, s.n, s.points, s.bytes, s.added, s.confirmed, s.lost, s.refused, s.holder,"     \
             " s.lease, e.n, e.points, e.bytes, coalesce((SELECT o.received FROM outbox o WHERE o.n > s.n"   \
             " ORDER BY o.n LIMIT 1), 0) FROM sinks s, outbox_end e ORDER BY s.name")                        \
    X(SINKS_UPDATE,                                                                                          \
      "WITH held AS (SELECT name FROM sinks WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE)"          \
      " UPDATE sinks s SET points = CASE WHEN w.n > s.n THEN w.points ELSE s.points END,"                    \
      " bytes = CASE WHEN w.n > s.n THEN w.bytes ELSE s.bytes END,"                                          \
      " confirmed = CASE WHEN w.n > s.n THEN " PG_NOW(                                                       \
          "$9") " ELSE s.confirmed END,"                                                                     \
                " n = greatest(s.n, w.n), lost = s.lost + w.lost, refused = s.refused + w.refused,"          \
                " holder = CASE WHEN w.lease > 0 THEN $8::text ELSE '' END,"                                 \
                " lease = CASE WHEN w.lease > 0 THEN " PG_NOW(                                               \
                    "$9") " + w.lease ELSE 0 END"                                                            \
                          " FROM held JOIN unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], "    \
                          "$5::bigint[],"                                                                    \
                          " $6::bigint[], $7::bigint[]) AS w(name, n, points, bytes, lost, refused, lease)"  \
                          " ON w.name = held.name WHERE s.name = held.name"                                  \
                          " AND (s.holder IN ('', $8::text) OR s.lease <= " PG_NOW(                          \
                              "$9") " OR s.lease > " PG_NOW("$9") " + 60) RETURNING s.name")                 \
    X(EVENTS_ADD,                                                                                            \
      "INSERT INTO events (authentic, id, time, kind, device, device_name, source, detail)"                  \
      " SELECT w.authentic != 0, CASE WHEN w.authentic != 0 THEN nextval('events_authentic')"                \
      " ELSE nextval('events_other') END, w.time, w.kind, w.device,"                                         \
      " coalesce((SELECT d.name FROM devices d WHERE d.id = w.device), ''), w.source, w.detail"              \
      " FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::bigint[], $5::text[], $6::text[])"      \
      " AS w(authentic, time, kind, device, source, detail)")                                                \
    X(EVENTS_TRIM,                                                                                           \
      "DELETE FROM events WHERE authentic = $1::boolean AND id IN (SELECT id FROM events"                    \
      " WHERE authentic = $1::boolean AND id <= (SELECT max(id) FROM events WHERE authentic = $1::boolean)"  \
      " - $2::bigint ORDER BY id FOR UPDATE SKIP LOCKED)")                                                   \
    X(SNAPSHOT, "SELECT pg_current_snapshot()::text")

/* Series of a device ($1) and a name ($2), either of which may be NULL: any. */
#define PG_SELECTED_SERIES                                                                                   \
    "($1::text IS NULL OR device_name = $1::text)"                                                           \
    " AND ($2::text IS NULL OR (name = $2::text AND name_bytes IS NULL))"

/* The series are looked up once. */
#define PG_IS_SELECTED                                                                                       \
    "(($1::text IS NULL AND $2::text IS NULL)"                                                               \
    " OR p.series = ANY(ARRAY(SELECT id FROM series WHERE " PG_SELECTED_SERIES ")))"

/* What postgres_show() reads. */
#define PG_POINT_COLUMNS                                                                                     \
    "p.time, p.tx, p.k, p.early, p.received, p.piv, p.number, p.whole, p.text, p.data,"                      \
    " s.device_name, s.name, s.unit, s.type, s.format, s.name_bytes, s.unit_bytes"

/* What is visible in a snapshot ($n). After a database was copied into another server, transactions of before
 * have numbers that mean nothing there: old readings count as seen. */
#define PG_WAS_THERE(snapshot, begun)                                                                        \
    "(p.received < " begun "::timestamptz"                                                                   \
    " OR pg_visible_in_snapshot(p.tx::text::xid8, " snapshot "::text::pg_snapshot))"

/* What a database is told that is a sink (gateway/sink/sql_postgres.c). */
#define PG_STATEMENTS_FLAT(X)                                                                                \
    X(FLAT_ADD,                                                                                              \
      "INSERT INTO bulla_readings (device, time, far, name, value, unit, type, \"integer\", text, data,"     \
      " format, seq, received, device_id, context, place)"                                                   \
      " SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::text[], $5::float8[],"         \
      " $6::text[], $7::text[], $8::bigint[], $9::text[], $10::bytea[], $11::bigint[], $12::bigint[],"       \
      " $13::timestamptz[], $14::bigint[], $15::bytea[], $16::bigint[]) ON CONFLICT DO NOTHING")

#define PG_STATEMENTS_PLANNED(X)                                                                             \
    X(SERIES_RANGE, "SELECT min(first), max(last) FROM series WHERE " PG_SELECTED_SERIES)                    \
    X(POINTS_START, "SELECT p.time, p.tx, p.k FROM points p"                                                 \
                    " WHERE p.time >= $3::timestamptz AND p.time < $4::timestamptz AND " PG_IS_SELECTED      \
                    " ORDER BY p.time DESC, p.tx DESC, p.k DESC LIMIT 1 OFFSET $5::bigint")                  \
    X(POINTS_PAGE,                                                                                           \
      "SELECT " PG_POINT_COLUMNS " FROM points p JOIN series s ON s.id = p.series"                           \
      " WHERE p.time >= $3::timestamptz AND (p.time, p.tx, p.k) > ($3::timestamptz, $5::bigint, $6::bigint)" \
      " AND p.time < $4::timestamptz AND " PG_IS_SELECTED " ORDER BY p.time, p.tx, p.k LIMIT 1024")          \
    X(POINTS_PAGE_SEEN,                                                                                      \
      "SELECT " PG_POINT_COLUMNS " FROM points p JOIN series s ON s.id = p.series"                           \
      " WHERE p.time >= $3::timestamptz AND (p.time, p.tx, p.k) > ($3::timestamptz, $5::bigint, $6::bigint)" \
      " AND p.time < $4::timestamptz AND " PG_IS_SELECTED                                                    \
      " AND " PG_WAS_THERE("$7", "$8") " ORDER BY p.time, p.tx, p.k LIMIT 1024")                             \
    X(FOLLOW_NEW, "SELECT " PG_POINT_COLUMNS " FROM points p JOIN series s ON s.id = p.series"               \
                  " WHERE p.tx >= pg_snapshot_xmin($3::text::pg_snapshot)::text::bigint"                     \
                  " AND p.received >= $5::timestamptz"                                                       \
                  " AND NOT pg_visible_in_snapshot(p.tx::text::xid8, $3::text::pg_snapshot)"                 \
                  " AND pg_visible_in_snapshot(p.tx::text::xid8, $4::text::pg_snapshot) AND " PG_IS_SELECTED \
                  " AND (p.received, p.time, p.tx, p.k) >"                                                   \
                  " ($6::timestamptz, $7::timestamptz, $8::bigint, $9::bigint)"                              \
                  " ORDER BY p.received, p.time, p.tx, p.k LIMIT 4096") /* PG_FOLLOW_MOST */                 \
    X(EVENTS_START, "SELECT time, authentic, id FROM events WHERE " PG_EVENT_IS_SELECTED                     \
                    " ORDER BY time DESC, authentic DESC, id DESC LIMIT 1 OFFSET $3::bigint")                \
    X(EVENTS_AFTER, "SELECT time, authentic, id, kind, device, device_name, source, detail FROM events"      \
                    " WHERE (time, authentic, id) > ($3::timestamptz, $4::boolean, $5::bigint)"              \
                    " AND " PG_EVENT_IS_SELECTED " ORDER BY time, authentic, id LIMIT 512")                  \
    X(USERS, "SELECT count(*), min(l.pid), min(coalesce(host(a.client_addr), 'this machine')),"              \
             " min(a.application_name) FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"        \
             " WHERE l.locktype = 'advisory' AND l.classid = 1651862577 AND l.pid != pg_backend_pid()"       \
             " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"            \
             " AND l.objid::bigint = (" PG_THIS_SCHEMA "::bigint + 4294967296) % 4294967296")                \
    X(USE, "SELECT pg_try_advisory_lock_shared(" PG_LOCK_USE ")")                                            \
    X(USE_ALONE, "SELECT pg_try_advisory_lock(" PG_LOCK_USE ")")

/* Events of a kind ($1) and a device ($2). */
#define PG_EVENT_IS_SELECTED                                                                                 \
    "($1::text IS NULL OR kind = $1::text) AND ($2::text IS NULL OR device_name = $2::text)"

#define PG_FOLLOW_MOST 4096

enum pg_statement {
#define PG_ENUM(id, sql) PG_##id,
    PG_STATEMENTS_PREPARED(PG_ENUM) PG_STATEMENTS_FLAT(PG_ENUM) PG_PREPARED_COUNT,
    PG_BEFORE_PLANNED = PG_PREPARED_COUNT - 1,
    PG_STATEMENTS_PLANNED(PG_ENUM)
#undef PG_ENUM
        PG_STATEMENT_COUNT
};

#endif
