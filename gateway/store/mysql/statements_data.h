/* Statements about readings, events and older wires: X(id, SQL), as in statements.h. */
#ifndef MYSQL_STATEMENTS_DATA_H
#define MYSQL_STATEMENTS_DATA_H

#define MQ_PAGE        1024 /* points that a listing reads at a time */
#define MQ_FOLLOW_MOST 4096

#define MQ_WIRE_COLUMNS                                                                                      \
    "w.id, w.device, w.grp, COALESCE(d.name, X''), COALESCE(d.revoked, 0), w.wire, w.route,"                 \
    " w.session_topic, w.node, w.reading_name, w.flags, w.lifetime, w.grace, w.number, w.messages, "         \
    "w.hashes,"                                                                                              \
    " w.seen, w.closed, w.packed"

#define MQ_WIRES "FROM wires w LEFT JOIN devices d ON d.id = w.device"

/* The nodes (w) of a device ($1) that is a group (g). */
#define MQ_ITS_NODES "wires w JOIN wires g ON g.id = w.grp AND g.device = $1"

/* Series (s) of a device ($1) and a name ($2), either of which may be NULL: any. The texts of a device are
 * compared as people compare them, without spaces at the end, and so by their length as well. */
#define MQ_IS_SELECTED                                                                                       \
    "($1 IS NULL OR (s.device_name = $1 AND OCTET_LENGTH(s.device_name) = OCTET_LENGTH($1)))"                \
    " AND ($2 IS NULL OR s.name = $2)"

/* Points of the series $3, behind the place $4, $5, $6 (time, beyond, n), before the time $7, $8 (time,
 * beyond), up to the number $9. The first comparison of each is one that an index can make. */
#define MQ_IN_STRETCH                                                                                        \
    "p.time >= $4 AND (p.time > $4 OR p.beyond > $5 OR (p.beyond = $5 AND p.n > $6))"                        \
    " AND p.time <= $7 AND (p.time < $7 OR p.beyond < $8) AND p.n <= $9"

/* What maria_show() reads. */
#define MQ_POINT_COLUMNS                                                                                     \
    "p.time, p.beyond, p.n, p.received, p.piv, p.number, p.whole, p.data,"                                   \
    " s.device_name, s.name, s.unit, s.type, s.format"

/* All points in the order of time, and the series of each. */
#define MQ_ALL_POINTS                                                                                        \
    "points p FORCE INDEX (PRIMARY) STRAIGHT_JOIN series s ON s.id = p.series AND " MQ_IS_SELECTED

/* Those of a few series. */
#define MQ_POINTS_OF "points p FORCE INDEX (points_series)"

/* The last row of the outbox that every sink has passed, seen at one moment: a sink that is added later
 * begins behind it. */
#define MQ_ALL_PASSED "(SELECT LEAST(e.n, COALESCE((SELECT MIN(s.n) FROM sinks s), e.n)) FROM outbox_end e)"

#define MQ_EVENT_IS_SELECTED "($1 IS NULL OR kind = $1) AND ($2 IS NULL OR device_name = $2)"

#define MQ_STATEMENTS_DATA(X)                                                                                \
    X(SERIES_HOLD, "SELECT value FROM numbers WHERE name = 'series_gone' LOCK IN SHARE MODE")                \
    X(SERIES_FIND, "SELECT device, digest, id, first, last FROM series WHERE (device, digest) IN ($1)")      \
    X(SERIES_ADD,                                                                                            \
      "INSERT INTO series (device, digest, name, unit, type, format, device_name, first, last)"              \
      " SELECT $1, $2, $3, $4, $5, $6, CONVERT(d.name USING utf8mb4), $7, $8 FROM devices d WHERE d.id = $1" \
      " ON DUPLICATE KEY UPDATE digest = series.digest")                                                     \
    X(SERIES_WIDEN, "UPDATE series SET first = LEAST(first, $2), last = GREATEST(last, $3) WHERE id = $1")   \
    X(SERIES_RANGE, "SELECT MIN(s.first), MAX(s.last), COUNT(*) FROM series s WHERE " MQ_IS_SELECTED)        \
    X(SERIES_SELECTED, "SELECT s.id FROM series s WHERE " MQ_IS_SELECTED " LIMIT $3")                        \
                                                                                                             \
    X(POINTS_TAKE, "UPDATE numbers SET value = LAST_INSERT_ID(value + $1) WHERE name = 'points'")            \
    X(POINTS_ADD, "INSERT INTO points (time, beyond, n, series, piv, received, number, whole, data)"         \
                  " VALUES $1")                                                                              \
    X(POINTS_START, "SELECT p.time, p.beyond, p.n FROM " MQ_ALL_POINTS " WHERE " MQ_IN_STRETCH               \
                    " ORDER BY p.time DESC, p.beyond DESC, p.n DESC LIMIT 1 OFFSET $10")                     \
    X(POINTS_START_OF,                                                                                       \
      "SELECT p.time, p.beyond, p.n FROM " MQ_POINTS_OF " WHERE p.series IN ($3) AND " MQ_IN_STRETCH         \
      " ORDER BY p.time DESC, p.beyond DESC, p.n DESC LIMIT 1 OFFSET $10")                                   \
    X(POINTS_COUNT_OF, "SELECT COUNT(*) FROM " MQ_POINTS_OF " WHERE p.series IN ($3) AND " MQ_IN_STRETCH)    \
    X(POINTS_PAGE, "SELECT " MQ_POINT_COLUMNS " FROM " MQ_ALL_POINTS " WHERE " MQ_IN_STRETCH                 \
                   " ORDER BY p.time, p.beyond, p.n LIMIT 1024") /* MQ_PAGE */                               \
    X(POINTS_PAGE_OF, "SELECT " MQ_POINT_COLUMNS " FROM " MQ_POINTS_OF                                       \
                      " STRAIGHT_JOIN series s ON s.id = p.series WHERE p.series IN ($3) AND " MQ_IN_STRETCH \
                      " ORDER BY p.time, p.beyond, p.n LIMIT 1024") /* MQ_PAGE */                            \
    X(FOLLOW_NEW, "SELECT * FROM (SELECT " MQ_POINT_COLUMNS " FROM points p FORCE INDEX (points_n)"          \
                  " STRAIGHT_JOIN series s ON s.id = p.series AND " MQ_IS_SELECTED                           \
                  " WHERE p.n > $3 AND p.n <= $4 ORDER BY p.n LIMIT 4096) f" /* MQ_FOLLOW_MOST */            \
                  " ORDER BY f.received, f.n")                                                               \
    X(EXPIRE_IS_DUE, "SELECT EXISTS (SELECT 1 FROM points WHERE time < $1 OR (time = $1 AND beyond < $2)),"  \
                     " EXISTS (SELECT 1 FROM series WHERE last <= $3)")                                      \
    X(POINTS_OLDEST, "SELECT n FROM points FORCE INDEX (PRIMARY)"                                            \
                     " WHERE time < $1 OR (time = $1 AND beyond < $2)"                                       \
                     " ORDER BY time, beyond, n LIMIT $3 FOR UPDATE SKIP LOCKED")                            \
    X(POINTS_DELETE, "DELETE p FROM points p FORCE INDEX (points_n) WHERE p.n IN ($1)")                      \
    X(SERIES_GONE_HOLD, "SELECT value FROM numbers WHERE name = 'series_gone' FOR UPDATE SKIP LOCKED")       \
    X(SERIES_DELETE, "DELETE FROM series WHERE last <= $3 AND NOT EXISTS (SELECT 1 FROM points"              \
                     " WHERE time < $1 OR (time = $1 AND beyond < $2)) LIMIT $4")                            \
                                                                                                             \
    X(OUTBOX_HOLD, "SELECT n FROM outbox_end FOR UPDATE")                                                    \
    X(OUTBOX_TAKE, "UPDATE outbox_end SET n = n + 1 + $3, points = points + $1, bytes = bytes + $2")         \
    X(OUTBOX_ADD, "INSERT INTO outbox (n, received, points, all_points, all_bytes, parcel)"                  \
                  " SELECT n, $1, $2, points, bytes, $3 FROM outbox_end")                                    \
    X(OUTBOX_AFTER, "SELECT n, received, points, all_points, all_bytes, parcel FROM outbox WHERE n > $1"     \
                    " AND n <= COALESCE((SELECT n FROM outbox WHERE n > $1 AND all_bytes >= $2 +"            \
                    " (SELECT all_bytes - OCTET_LENGTH(parcel) FROM outbox WHERE n > $1 ORDER BY n LIMIT 1)" \
                    " ORDER BY n LIMIT 1), 9223372036854775807) ORDER BY n")                                 \
    X(OUTBOX_OLDEST, "SELECT n FROM outbox FORCE INDEX (PRIMARY) WHERE n <= " MQ_ALL_PASSED                  \
                     " ORDER BY n LIMIT $1 FOR UPDATE SKIP LOCKED")                                          \
    X(OUTBOX_DELETE, "DELETE o FROM outbox o FORCE INDEX (PRIMARY) WHERE o.n IN ($1)")                       \
    X(SINK_COUNT, "SELECT COUNT(*) FROM sinks")                                                              \
    X(SINK_ADD, "INSERT INTO sinks (name, n, points, bytes, added) SELECT $1, n, points, bytes, $2"          \
                " FROM outbox_end")                                                                          \
    X(SINK_DELETE, "DELETE FROM sinks WHERE name = $1")                                                      \
    X(SINKS, "SELECT s.name, s.n, s.points, s.bytes, s.added, s.confirmed, s.lost, s.refused, s.holder,"     \
             " s.lease, e.n, e.points, e.bytes,"                                                             \
             " COALESCE((SELECT o.received FROM outbox o WHERE o.n > s.n ORDER BY o.n LIMIT 1), 0)"          \
             " FROM sinks s CROSS JOIN outbox_end e ORDER BY s.name")                                        \
    X(SINK_UPDATE, "UPDATE sinks SET points = IF($3 > n, $4, points), bytes = IF($3 > n, $5, bytes),"        \
                   " confirmed = IF($3 > n, " MQ_NOW(                                                        \
                       "$8") ", confirmed), n = GREATEST(n, $3),"                                            \
                             " lost = lost + $6, refused = refused + $7, holder = IF($9 > 0, $2, X''),"      \
                             " lease = IF($9 > 0, " MQ_NOW(                                                  \
                                 "$8") " + $9, 0)"                                                           \
                                       " WHERE name = $1 AND (holder IN (X'', $2) OR lease <= " MQ_NOW(      \
                                           "$8") " OR lease > " MQ_NOW("$8") " + 60)")                       \
                                                                                                             \
    X(EVENTS_TAKE, "UPDATE numbers SET value = LAST_INSERT_ID(value + $2) WHERE name = $1")                  \
    X(EVENTS_ADD,                                                                                            \
      "INSERT INTO events (authentic, id, time, kind, device, device_name, source, detail) VALUES $1")       \
    X(EVENTS_NAME, "UPDATE events e JOIN devices d ON d.id = e.device SET e.device_name = d.name"            \
                   " WHERE e.authentic = $1 AND e.id > CAST(LAST_INSERT_ID() AS SIGNED) - $2")               \
    X(EVENTS_TRIM,                                                                                           \
      "DELETE FROM events WHERE authentic = $1 AND id <= CAST(LAST_INSERT_ID() AS SIGNED) - $2")             \
    X(EVENTS_START, "SELECT time, authentic, id FROM events WHERE " MQ_EVENT_IS_SELECTED                     \
                    " ORDER BY time DESC, authentic DESC, id DESC LIMIT 1 OFFSET $3")                        \
    X(EVENTS_AFTER, "SELECT time, authentic, id, kind, device, device_name, source, detail FROM events"      \
                    " WHERE time >= $3 AND (time > $3 OR authentic > $4 OR (authentic = $4 AND id > $5))"    \
                    " AND " MQ_EVENT_IS_SELECTED " ORDER BY time, authentic, id LIMIT 512")                  \
                                                                                                             \
    X(WIRES_HOLD, "SELECT value FROM numbers WHERE name = 'wires' FOR UPDATE")                               \
    X(WIRES_HOLD_OF, "SELECT value FROM numbers WHERE name = 'wires' AND EXISTS (SELECT 1 FROM wires"        \
                     " WHERE device IN ($1) AND closed = 0) FOR UPDATE")                                     \
    X(WIRE_ADD, "INSERT INTO wires (device, grp, wire, route, session_topic, node, reading_name, flags,"     \
                " lifetime, grace, packed, number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,"    \
                " $12)")                                                                                     \
    X(WIRE_TAKE_UP, "UPDATE wires SET device = $1, session_topic = $5, node = $6, reading_name = $7,"        \
                    " flags = $8, lifetime = $9, grace = $10, packed = $11, closed = 0,"                     \
                    " number = GREATEST(number, $12)"                                                        \
                    " WHERE grp = $2 AND wire = $3 AND route = $4 AND device = 0 AND closed != 0")           \
    X(WIRE_NEIGHBOURS,                                                                                       \
      "SELECT (SELECT COUNT(*) FROM wires WHERE wire = $1 AND route = $2 AND grp = 0 AND device != 0),"      \
      " EXISTS (SELECT 1 FROM wires WHERE $3 != X'' AND session_topic = $3 AND closed = 0 AND grp = 0"       \
      " AND (lifetime != $4 OR grace != $5 OR (flags & $6) != $7)),"                                         \
      " EXISTS (SELECT 1 FROM wires WHERE $3 != X'' AND closed = 0 AND grp = 0 AND session_topic != X''"     \
      " AND (route = $3 OR session_topic = $2))")                                                            \
    X(WIRE_FIND, "SELECT " MQ_WIRE_COLUMNS " " MQ_WIRES " WHERE w.wire = $1 AND w.route = $2"                \
                 " AND w.grp = 0 AND w.device != 0 ORDER BY w.closed, w.node = X'', w.id LIMIT $3")          \
    X(WIRE_FIND_FLAG, "SELECT " MQ_WIRE_COLUMNS " " MQ_WIRES " WHERE w.wire = $1 AND w.closed = 0"           \
                      " AND w.grp = 0 AND (w.flags & $2) != 0 ORDER BY w.id LIMIT $3")                       \
    X(WIRE_NODE, "SELECT " MQ_WIRE_COLUMNS " " MQ_WIRES " WHERE w.grp = $1 AND w.node = $2")                 \
    X(NODE_MAY_ENTER, "SELECT NOT EXISTS (SELECT 1 FROM devices WHERE name = $2)"                            \
                      " AND (SELECT COUNT(*) FROM wires WHERE grp = $1 AND closed = 0) < $3")                \
    X(WIRE_OF, "SELECT " MQ_WIRE_COLUMNS ", (SELECT COUNT(*) FROM wires n WHERE n.grp = w.id"                \
               " AND n.closed = 0) " MQ_WIRES " WHERE w.device = $1")                                        \
    X(WIRES_EACH, "SELECT " MQ_WIRE_COLUMNS " " MQ_WIRES " WHERE w.closed = 0 AND w.grp = 0 ORDER BY w.id")  \
    X(WIRE_MOVE, "UPDATE wires SET number = IF($2, $3, number), messages = messages + $4,"                   \
                 " seen = GREATEST(seen, $5), hashes = hashes + $6 WHERE id = $1")                           \
    X(WIRE_MOVED, "SELECT messages, grp FROM wires WHERE id = $1")                                           \
    X(WIRE_SEEN, "UPDATE wires SET seen = GREATEST(seen, $2) WHERE id = $1")                                 \
    X(WIRE_HASH_ADD, "INSERT INTO wire_hashes (wire, hash) SELECT w.id, $2 FROM wires w WHERE w.id = $1"     \
                     " AND w.hashes < $3 AND NOT EXISTS (SELECT 1 FROM wire_hashes h"                        \
                     " WHERE h.wire = $1 AND h.hash = $2)")                                                  \
    X(WIRE_HASH_FIND, "SELECT 1 FROM wire_hashes WHERE wire = $1 AND hash = $2")                             \
    X(WIRE_CLOSE, "UPDATE wires SET closed = 2, packed = X'' WHERE device = $1 AND closed = 0"               \
                  " AND EXISTS (SELECT 1 FROM devices WHERE id = $1 AND kid IS NOT NULL)")                   \
    X(DEVICE_UPGRADE, "UPDATE devices SET kid = $2, alg = $3, kind = $4, secret = $5, exported = 0"          \
                      " WHERE id = $1 AND kid IS NULL")                                                      \
    X(NODES_LABELS_DELETE, "DELETE l FROM labels l JOIN (" MQ_ITS_NODES ") ON w.device = l.device"           \
                           " JOIN devices d ON d.id = w.device AND d.kid IS NULL")                           \
    X(NODES_DELETE, "DELETE d FROM devices d JOIN (" MQ_ITS_NODES ") ON w.device = d.id"                     \
                    " WHERE d.kid IS NULL")                                                                  \
    X(NODE_WIRES_DELETE, "DELETE w FROM " MQ_ITS_NODES " LEFT JOIN devices d ON d.id = w.device"             \
                         " WHERE d.id IS NULL")                                                              \
    X(NODE_WIRES_CLOSE, "UPDATE " MQ_ITS_NODES " SET w.closed = 2 WHERE w.closed = 0")                       \
    X(WIRE_DELETE, "DELETE w FROM wires w LEFT JOIN wires n ON n.grp = w.id WHERE w.device = $1"             \
                   " AND w.session_topic != X'' AND w.closed = 0 AND n.id IS NULL")                          \
    X(WIRE_BURY, "UPDATE wires SET device = 0, packed = X'', closed = GREATEST(closed, 1)"                   \
                 " WHERE device = $1")                                                                       \
                                                                                                             \
    X(SESSIONS, "SELECT id, issued, retired, spent, hash FROM session_ids WHERE topic = $1"                  \
                " ORDER BY spent != 0, spent DESC, n DESC LIMIT $2")                                         \
    X(SESSION_RETIRE, "UPDATE session_ids SET retired = GREATEST($2, 1)"                                     \
                      " WHERE topic = $1 AND spent = 0 AND retired = 0")                                     \
    X(SESSION_ADD, "INSERT INTO session_ids (topic, id, issued) VALUES ($1, $2, $3)")                        \
    X(SESSIONS_PRUNE_FUTURE, "DELETE FROM session_ids WHERE topic = $1 AND spent = 0 AND retired > $2")      \
    X(SESSIONS_PRUNE_UNSPENT,                                                                                \
      "DELETE s FROM session_ids s LEFT JOIN (SELECT n FROM session_ids WHERE topic = $1 AND spent = 0"      \
      " ORDER BY n DESC LIMIT $2) k ON k.n = s.n WHERE s.topic = $1 AND s.spent = 0 AND k.n IS NULL")        \
    X(SESSIONS_PRUNE_SPENT,                                                                                  \
      "DELETE s FROM session_ids s LEFT JOIN (SELECT n FROM session_ids WHERE topic = $1 AND spent != 0"     \
      " ORDER BY spent DESC LIMIT $2) k ON k.n = s.n WHERE s.topic = $1 AND s.spent != 0 AND k.n IS NULL")   \
    X(SESSION_SPEND,                                                                                         \
      "UPDATE session_ids s JOIN (SELECT MAX(spent) AS most FROM session_ids WHERE topic = $1) m"            \
      " SET s.hash = $3, s.spent = m.most + 1 WHERE s.topic = $1 AND s.id = $2 AND s.spent = 0")             \
    X(SESSIONS_VOID, "UPDATE session_ids s JOIN (SELECT COALESCE(MAX(spent), 0) AS most FROM session_ids) m" \
                     " SET s.spent = s.n + m.most WHERE s.spent = 0")                                        \
    X(SESSIONS_DELETE_UNUSED, "DELETE FROM session_ids WHERE topic NOT IN"                                   \
                              " (SELECT session_topic FROM wires WHERE closed = 0)")

#endif
