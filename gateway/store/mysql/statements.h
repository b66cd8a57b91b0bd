/*
 * Every statement of the MariaDB and MySQL store: X(id, SQL). Those of the registry and of commits stand
 * here, those of readings, events and older wires in statements_data.h.
 */
#ifndef MYSQL_STATEMENTS_H
#define MYSQL_STATEMENTS_H

#include "gateway/store/mysql/statements_data.h"

/* The clock: a test's, or the database's own. Stable within a statement. */
#define MQ_NOW(parameter) "COALESCE(" parameter ", UNIX_TIMESTAMP())"

/* The largest number. To add 1 to it is an error, on every server and whatever its sql_mode: so a statement
 * fails where it is not to go on. */
#define MQ_MOST "9223372036854775807"

/* Names of locks of the server's, which knows them for all of its databases. */
#define MQ_LOCK(name) "CONCAT('bulla.', LEFT(SHA2(DATABASE(), 256), 24), '." name "')"

#define MQ_DEVICE_COLUMNS                                                                                    \
    "d.id, d.name, d.kid, d.alg, d.kind, d.revoked, d.exported, d.created, d.secret, d.lost"

#define MQ_LAST_SEEN                                                                                         \
    "GREATEST(COALESCE((SELECT MAX(c.seen) FROM contexts c WHERE c.device = d.id), 0),"                      \
    " COALESCE((SELECT MAX(w.seen) FROM wires w WHERE w.device = d.id), 0))"

#define MQ_ITS_WIRE "COALESCE((SELECT MAX(w.wire) FROM wires w WHERE w.device = d.id AND w.closed = 0), '')"

#define MQ_CONTEXT_COLUMNS "c.device, c.id_context, c.proven, c.proven_t, c.closes_at, c.top, c.bits, c.lower"

/* Clock, floor and a row in one read (PROTOCOL 4.4). A session whose time to close has come is gone, though
 * its row may still be there: its T counts. */
#define MQ_WITH_CLOCK(condition)                                                                             \
    "SELECT n.now, GREATEST((SELECT value FROM numbers WHERE name = 'floor'),"                               \
    " COALESCE((SELECT MAX(g.proven_t) FROM contexts g WHERE g.device = $1"                                  \
    " AND g.closes_at != 0 AND g.closes_at <= " MQ_NOW(                                                      \
        "$2") "), 0)), " MQ_CONTEXT_COLUMNS                                                                  \
              " FROM (SELECT " MQ_NOW("$2") " AS now) n LEFT JOIN contexts c ON c.device = $1"               \
                                            " AND (c.closes_at = 0 OR c.closes_at > n.now) AND " condition

#define MQ_STATEMENTS_REGISTRY(X)                                                                            \
    X(BEGIN, "START TRANSACTION")                                                                            \
    X(COMMIT, "COMMIT")                                                                                      \
                                                                                                             \
    X(META_GET, "SELECT value FROM meta WHERE name = $1")                                                    \
    X(META_PUT, "INSERT INTO meta (name, value) VALUES ($1, $2)")                                            \
    X(META_REPLACE, "INSERT INTO meta (name, value) VALUES ($1, $2)"                                         \
                    " ON DUPLICATE KEY UPDATE value = VALUES(value)")                                        \
    X(NUMBER_GET, "SELECT value FROM numbers WHERE name = $1")                                               \
    X(NUMBER_RAISE, "UPDATE numbers SET value = value + 1 WHERE name = $1")                                  \
    X(ISSUED_T_RAISE, "UPDATE numbers SET value = $1 WHERE name = 'issued_t' AND value < $1")                \
    X(FLOOR_RAISE, "UPDATE numbers SET value = GREATEST(value, $1) WHERE name = 'floor'")                    \
    X(T_HOLD, "SELECT value FROM numbers WHERE name = 'issued_t' LOCK IN SHARE MODE")                        \
    X(T_HOLD_NOW, "SELECT value FROM numbers WHERE name = 'issued_t' FOR UPDATE NOWAIT")                     \
    X(FLOOR_AND_T, "SELECT (SELECT value FROM numbers WHERE name = 'floor'),"                                \
                   " (SELECT value FROM numbers WHERE name = 'issued_t')")                                   \
    X(GATEWAY_ID_ADD, "INSERT INTO gateway_ids (id, started) VALUES ($1, $2)")                               \
                                                                                                             \
    X(KID_TAKEN, "SELECT EXISTS (SELECT 1 FROM devices WHERE kid = $1)"                                      \
                 " OR EXISTS (SELECT 1 FROM tombstones WHERE kid = $1)")                                     \
    X(CLASHES, "SELECT EXISTS (SELECT 1 FROM devices WHERE name = $1),"                                      \
               " EXISTS (SELECT 1 FROM devices WHERE kid = $2)"                                              \
               " OR EXISTS (SELECT 1 FROM tombstones WHERE kid = $2)")                                       \
    X(DEVICE_ADD, "INSERT INTO devices (name, kid, alg, kind, revoked, exported, created, secret)"           \
                  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")                                                \
    X(COUNTER_ADD, "INSERT INTO contexts (device, id_context, proven) VALUES ($1, X'', $2)")                 \
    X(DEVICE_BY_KID, "SELECT " MQ_DEVICE_COLUMNS ", 0, '' FROM devices d WHERE d.kid = $1")                  \
    X(DEVICE_BY_NAME, "SELECT " MQ_DEVICE_COLUMNS ", 0, '' FROM devices d WHERE d.name = $1")                \
    X(DEVICES_AFTER,                                                                                         \
      "SELECT " MQ_DEVICE_COLUMNS ", " MQ_LAST_SEEN ", " MQ_ITS_WIRE " FROM devices d WHERE d.name > $1"     \
      " AND ($2 = 0 OR (NOT d.revoked AND d.created * 1000000 < $2"                                          \
      " AND " MQ_LAST_SEEN " < $2))"                                                                         \
      " AND ($5 = 0 OR (SELECT COUNT(*) FROM labels l WHERE l.device = d.id AND l.word IN ($3)) = $5)"       \
      " AND ($6 = 0 OR (SELECT COUNT(*) FROM labels l WHERE l.device = d.id"                                 \
      " AND (l.word, l.value) IN ($4)) = $6)"                                                                \
      " ORDER BY d.name LIMIT 256")                                                                          \
    X(DEVICE_COUNT, "SELECT COUNT(*) FROM devices")                                                          \
    X(DEVICE_HOLD, "SELECT 1 FROM devices WHERE id = $1 FOR UPDATE")                                         \
    X(DEVICES_HOLD, "SELECT id FROM devices FORCE INDEX (PRIMARY) WHERE id IN ($1) ORDER BY id FOR UPDATE")  \
    X(DEVICES_STATE, "SELECT id, revoked, kind, " MQ_NOW("$2") " FROM devices WHERE id IN ($1) ORDER BY id") \
    X(DEVICE_CONTEXTS_HOLD, "SELECT proven_t FROM contexts FORCE INDEX (PRIMARY) WHERE device = $1"          \
                            " ORDER BY id_context FOR UPDATE")                                               \
    X(DEVICE_REVOKE, "UPDATE devices SET revoked = 1 WHERE id = $1")                                         \
    X(DEVICE_EXPORTED, "UPDATE devices SET exported = exported + 1 WHERE id = $1")                           \
    X(DEVICE_EXPORTS, "SELECT exported FROM devices WHERE id = $1")                                          \
    X(DEVICE_BURY, "INSERT INTO tombstones (kid, name, removed) SELECT kid, name, " MQ_NOW(                  \
                       "$2") " FROM devices WHERE id = $1 AND kid IS NOT NULL")                              \
    X(DEVICE_CONTEXTS_DELETE, "DELETE FROM contexts WHERE device = $1")                                      \
    X(DEVICE_DELETE, "DELETE FROM devices WHERE id = $1")                                                    \
    X(DEVICE_LOST, "UPDATE devices SET lost = lost + LEAST($2, 9223372036854775807 - lost) WHERE id = $1")   \
                                                                                                             \
    X(LABEL_GET, "SELECT value FROM labels WHERE device = $1 AND word = $2")                                 \
    X(LABEL_PUT, "INSERT INTO labels (device, word, value) VALUES ($1, $2, $3)"                              \
                 " ON DUPLICATE KEY UPDATE value = VALUES(value)")                                           \
    X(LABEL_DELETE, "DELETE FROM labels WHERE device = $1 AND word = $2")                                    \
    X(LABEL_COUNT, "SELECT COUNT(*) FROM labels WHERE device = $1")                                          \
    X(LABELS, "SELECT word, value FROM labels WHERE device = $1 ORDER BY word")                              \
    X(LABELS_DELETE, "DELETE FROM labels WHERE device = $1")                                                 \
                                                                                                             \
    X(COUNTER_STATE,                                                                                         \
      "SELECT proven AND lower >= $2 FROM contexts WHERE device = $1 AND id_context = X'' FOR UPDATE")       \
    X(COUNTER_TRUST, "UPDATE contexts SET proven = 1, lower = GREATEST(lower, $2)"                           \
                     " WHERE device = $1 AND id_context = X''")                                              \
    X(CONTEXTS_UNPROVE, "UPDATE contexts SET proven = 0 WHERE proven")                                       \
    X(CONTEXT_FIND, MQ_WITH_CLOCK("c.id_context = $3"))                                                      \
    X(CONTEXT_NEWEST, MQ_WITH_CLOCK("c.id_context != X'' AND c.proven") " ORDER BY c.nth DESC LIMIT 1")      \
    X(CONTEXTS_OF, "SELECT " MQ_CONTEXT_COLUMNS " FROM contexts c WHERE c.device = $1"                       \
                   " AND (c.closes_at = 0 OR c.closes_at > " MQ_NOW("$2") ") ORDER BY c.id_context")         \
    X(CONTEXTS_DUE,                                                                                          \
      "SELECT device, id_context, proven_t FROM contexts FORCE INDEX (contexts_closing)"                     \
      " WHERE closes_at > 0 AND closes_at <= " MQ_NOW("$1") " LIMIT $2 FOR UPDATE SKIP LOCKED")              \
    X(CONTEXTS_HOLD, "SELECT " MQ_CONTEXT_COLUMNS ", c.seen, c.nth FROM contexts c FORCE INDEX (PRIMARY)"    \
                     " WHERE c.device IN ($1) ORDER BY c.device, c.id_context FOR UPDATE")                   \
    X(CONTEXTS_WRITE,                                                                                        \
      "INSERT INTO contexts (device, id_context, proven, proven_t, closes_at, top, bits, lower, seen, nth)"  \
      " VALUES $1 ON DUPLICATE KEY UPDATE proven = VALUES(proven), proven_t = VALUES(proven_t),"             \
      " closes_at = VALUES(closes_at), top = VALUES(top), bits = VALUES(bits), lower = VALUES(lower),"       \
      " seen = VALUES(seen), nth = VALUES(nth)")                                                             \
    X(MOVES_WRITE,                                                                                           \
      "INSERT INTO contexts (device, id_context, proven, top, bits, lower, seen, proven_t, nth) VALUES $1"   \
      " ON DUPLICATE KEY UPDATE top = VALUES(top) + 0 * (" MQ_MOST " + IF(proven"                            \
      " AND top = VALUES(proven_t) AND bits = VALUES(nth) AND lower = VALUES(lower)"                         \
      " AND (closes_at = 0 OR closes_at > " MQ_NOW(                                                          \
          "$2") "), 0, 1)),"                                                                                 \
                " bits = VALUES(bits), seen = GREATEST(seen, VALUES(seen))")                                 \
    X(MOVES_CHECK, "SELECT g.value, " MQ_MOST " + IF(ROW_COUNT() = $1 AND s.value = $2"                      \
                   " AND NOT EXISTS (SELECT 1 FROM devices WHERE id IN ($3) AND revoked), 0, 1)"             \
                   " FROM numbers g JOIN numbers s WHERE g.name = 'generation' AND s.name = 'series_gone'")  \
    X(WIRES_CLOSE, "UPDATE wires SET closed = 2, packed = X'' WHERE device IN ($1) AND closed = 0"           \
                   " AND device IN (SELECT id FROM devices WHERE kid IS NOT NULL)")                          \
    X(WIRES_RAISE, "UPDATE numbers SET value = value + 1 WHERE name IN ('generation', 'wires')")             \
    X(CONTEXT_DELETE, "DELETE FROM contexts WHERE device = $1 AND id_context = $2")

/* What a database is told that is a sink (gateway/sink/sql_mysql.c). */
#define MQ_STATEMENTS_FLAT(X)                                                                                \
    X(FLAT_ADD, "INSERT INTO bulla_readings (device, time, far, name, value, unit, type, `integer`, text,"   \
                " data, format, seq, received, device_id, context, place) VALUES $1"                         \
                " ON DUPLICATE KEY UPDATE place = bulla_readings.place")

enum mq_statement {
#define MQ_ENUM(id, sql) MQ_##id,
    MQ_STATEMENTS_REGISTRY(MQ_ENUM) MQ_STATEMENTS_DATA(MQ_ENUM) MQ_STATEMENTS_FLAT(MQ_ENUM)
#undef MQ_ENUM
        MQ_STATEMENT_COUNT
};

#endif
