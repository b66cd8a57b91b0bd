/*
 * Every statement of the SQLite store: X(id, SQL). Prepared at first use, kept until close.
 */
#ifndef SQLITE_STATEMENTS_H
#define SQLITE_STATEMENTS_H

#define DEVICE_COLUMNS "id, name, kid, alg, kind, revoked, exported, created, secret, lost"

#define CONTEXT_COLUMNS "c.device, c.id_context, c.proven, c.proven_t, c.closes_at, c.top, c.bits, c.lower"

/* A session whose time to close has come (?2) is gone, though its row may still be there. */
#define CONTEXT_IS_OPEN "(c.closes_at = 0 OR c.closes_at > ?2)"

/* F, and the T of those of the device's (?1) rows that are as good as gone (PROTOCOL 4.4). */
#define FLOOR                                                                                                \
    "max((SELECT value FROM meta WHERE name = 'floor'),"                                                     \
    " coalesce((SELECT max(proven_t) FROM contexts"                                                          \
    " WHERE device = ?1 AND closes_at != 0 AND closes_at <= ?2), 0))"

#define RAISE_FLOOR(rows)                                                                                    \
    "UPDATE meta SET value = max(value, coalesce((SELECT max(proven_t) FROM contexts WHERE " rows "), 0))"   \
    " WHERE name = 'floor'"

/* Series of a device (?1) and a name (?2), either of which may be NULL: any. */
#define SELECTED_SERIES "(?1 IS NULL OR device_name = ?1) AND (?2 IS NULL OR name = ?2)"

/* The series are looked up once, when the first row asks. */
#define IS_SELECTED                                                                                          \
    "(?1 IS NULL AND ?2 IS NULL OR r.series IN (SELECT id FROM series WHERE " SELECTED_SERIES "))"

/*
 * Readings that stand in the index readings_late, as migration 2 says it: word for word, or SQLite does not
 * see that it may use it.
 */
#define IS_LATE "(r.delay NOT BETWEEN -15000000 AND 15000000)"

/* Microseconds: what a timely reading's time and its reception are apart at most. */
#define TIMELY INT64_C(15000000)

#define LAST_SEEN                                                                                            \
    "(SELECT max(seen) FROM (SELECT seen FROM contexts WHERE device = devices.id"                            \
    " UNION ALL SELECT seen FROM wires WHERE device = devices.id))"

#define ITS_WIRE "coalesce((SELECT wire FROM wires WHERE device = devices.id AND closed = 0), '')"

#define WIRE_COLUMNS                                                                                         \
    "w.id, w.device, w.grp, coalesce(d.name, ''), coalesce(d.revoked, 0), w.wire, w.route, w.session_topic," \
    " w.node, w.reading_name, w.flags, w.lifetime, w.grace, w.number, w.stored, w.hashes, w.seen, w.closed," \
    " w.keys"

#define WIRES "FROM wires w LEFT JOIN devices d ON d.id = w.device"

/* The nodes of a device (?1) that is a group. */
#define ITS_NODES "grp IN (SELECT id FROM wires WHERE device = ?1)"

/* Those of them that have no native credential go with their group. */
#define NODES_THAT_GO                                                                                        \
    "(SELECT w.device FROM wires w JOIN devices d ON d.id = w.device WHERE w." ITS_NODES " AND d.kid IS "    \
    "NULL)"

/* Where the outbox's end can be seen: the highest n of these. */
#define OUTBOX_ENDS                                                                                          \
    "(SELECT * FROM (SELECT n, all_points AS points, all_bytes AS bytes FROM outbox ORDER BY n DESC LIMIT "  \
    "1)"                                                                                                     \
    " UNION ALL SELECT * FROM (SELECT n, points, bytes FROM sinks ORDER BY n DESC LIMIT 1)"                  \
    " UNION ALL SELECT 0, 0, 0)"

/* The last row that every sink has passed; where there is none, all rows were. */
#define ALL_PASSED "(SELECT coalesce(min(n), 9223372036854775807) FROM sinks)"

/* Events of a kind (?1) and a device (?2). */
#define EVENT_IS_SELECTED "(?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR device_name = ?2)"

#define STATEMENTS(X)                                                                                        \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                              \
    X(COMMIT, "COMMIT")                                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                                  \
                                                                                                             \
    X(DATA_VERSION, "PRAGMA data_version")                                                                   \
    X(GENERATION_GET, "SELECT value FROM meta WHERE name = 'generation'")                                    \
    X(GENERATION_RAISE, "UPDATE meta SET value = value + 1 WHERE name = 'generation'")                       \
    X(ISSUED_T, "SELECT value FROM meta WHERE name = 'issued_t'")                                            \
    X(ISSUED_T_RAISE, "INSERT INTO meta (name, value) VALUES ('issued_t', ?1)"                               \
                      " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)")                       \
    X(PROBE, "INSERT INTO meta (name, value) VALUES ('probe', 1)"                                            \
             " ON CONFLICT DO UPDATE SET value = value + 1")                                                 \
    X(META_GET, "SELECT value FROM meta WHERE name = ?1")                                                    \
    X(META_PUT, "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING")                     \
    X(GATEWAY_ID_ADD, "INSERT INTO gateway_ids (id, started) VALUES (?1, ?2) ON CONFLICT DO NOTHING")        \
                                                                                                             \
    X(KID_TAKEN, "SELECT EXISTS (SELECT 1 FROM devices WHERE kid = ?1)"                                      \
                 " OR EXISTS (SELECT 1 FROM tombstones WHERE kid = ?1)")                                     \
    X(DEVICE_ADD, "INSERT INTO devices (name, kid, alg, kind, revoked, exported, created, secret)"           \
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                                                \
    X(DEVICE_BY_KID, "SELECT " DEVICE_COLUMNS ", 0, '' FROM devices WHERE kid = ?1")                         \
    X(DEVICE_BY_NAME, "SELECT " DEVICE_COLUMNS ", 0, '' FROM devices WHERE name = ?1")                       \
    X(DEVICE_AFTER, "SELECT " DEVICE_COLUMNS ", " LAST_SEEN ", " ITS_WIRE " FROM devices"                    \
                    " WHERE name > ?1 ORDER BY name LIMIT 1")                                                \
    X(SILENT_DEVICE_AFTER,                                                                                   \
      "SELECT " DEVICE_COLUMNS ", " LAST_SEEN ", " ITS_WIRE " FROM devices WHERE name > ?1"                  \
      " AND NOT revoked AND created * 1000000 < ?2 AND coalesce(" LAST_SEEN ", 0) < ?2"                      \
      " ORDER BY name LIMIT 1")                                                                              \
    X(DEVICE_EXISTS, "SELECT 1 FROM devices WHERE id = ?1")                                                  \
    X(NAME_TAKEN, "SELECT EXISTS (SELECT 1 FROM devices WHERE name = ?1)")                                   \
    X(DEVICE_LOST, "UPDATE devices SET lost = lost + min(?2, 9223372036854775807 - lost) WHERE id = ?1")     \
    X(DEVICE_COUNT, "SELECT count(*) FROM devices")                                                          \
    X(DEVICE_REVOKE, "UPDATE devices SET revoked = 1 WHERE id = ?1")                                         \
    X(DEVICE_EXPORTED, "UPDATE devices SET exported = exported + 1 WHERE id = ?1")                           \
    X(DEVICE_EXPORTS, "SELECT exported FROM devices WHERE id = ?1")                                          \
    X(DEVICE_BURY, "INSERT INTO tombstones (kid, name, removed) SELECT kid, name, ?2 FROM devices"           \
                   " WHERE id = ?1 AND kid IS NOT NULL")                                                     \
    X(DEVICE_DELETE, "DELETE FROM devices WHERE id = ?1")                                                    \
                                                                                                             \
    X(DEVICE_UPGRADE, "UPDATE devices SET kid = ?2, alg = ?3, kind = ?4, secret = ?5, exported = 0"          \
                      " WHERE id = ?1 AND kid IS NULL")                                                      \
                                                                                                             \
    X(WIRES_VERSION, "SELECT value FROM meta WHERE name = 'wires'")                                          \
    X(WIRES_RAISE, "UPDATE meta SET value = value + 1 WHERE name = 'wires'")                                 \
    X(WIRE_ADD, "INSERT INTO wires (device, grp, wire, route, session_topic, node, reading_name, flags,"     \
                " lifetime, grace, keys, number) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"      \
                " ?12)")                                                                                     \
    X(WIRE_TAKE_UP, "UPDATE wires SET device = ?1, session_topic = ?5, node = ?6, reading_name = ?7,"        \
                    " flags = ?8, lifetime = ?9, grace = ?10, keys = ?11, closed = 0,"                       \
                    " number = max(number, ?12)"                                                             \
                    " WHERE grp = ?2 AND wire = ?3 AND route = ?4 AND device = 0 AND closed != 0")           \
    X(WIRE_NEIGHBOURS, "SELECT (SELECT count(*) FROM wires w WHERE w.wire = ?1 AND w.route = ?2"             \
                       " AND w.grp = 0 AND w.device != 0),"                                                  \
                       " EXISTS (SELECT 1 FROM wires w WHERE ?3 != '' AND w.session_topic = ?3"              \
                       " AND w.closed = 0 AND w.grp = 0"                                                     \
                       " AND (w.lifetime != ?4 OR w.grace != ?5 OR (w.flags & ?6) != ?7)),"                  \
                       " EXISTS (SELECT 1 FROM wires w WHERE ?3 != '' AND w.closed = 0 AND w.grp = 0"        \
                       " AND w.session_topic != '' AND (w.route = ?3 OR w.session_topic = ?2))")             \
    X(WIRE_FIND, "SELECT " WIRE_COLUMNS " " WIRES " WHERE w.wire = ?1 AND w.route = ?2 AND w.grp = 0"        \
                 " AND w.device != 0 ORDER BY w.closed, w.node = '', w.id LIMIT ?3")                         \
    X(WIRE_FIND_FLAG, "SELECT " WIRE_COLUMNS " " WIRES " WHERE w.wire = ?1 AND w.closed = 0 AND w.grp = 0"   \
                      " AND w.flags & ?2 ORDER BY w.id LIMIT ?3")                                            \
    X(WIRE_NODE, "SELECT " WIRE_COLUMNS " " WIRES " WHERE w.grp = ?1 AND w.node = ?2")                       \
    X(WIRE_NODES, "SELECT count(*) FROM wires WHERE grp = ?1 AND closed = 0")                                \
    X(WIRE_OF, "SELECT " WIRE_COLUMNS ", (SELECT count(*) FROM wires n WHERE n.grp = w.id AND n.closed = 0)" \
               " " WIRES " WHERE w.device = ?1")                                                             \
    X(WIRES_EACH, "SELECT " WIRE_COLUMNS " " WIRES " WHERE w.closed = 0 AND w.grp = 0 ORDER BY w.id")        \
    X(WIRE_MOVE, "UPDATE wires SET number = CASE WHEN ?2 THEN ?3 ELSE number END, stored = stored + ?4,"     \
                 " seen = max(seen, ?5), hashes = hashes + ?6 WHERE id = ?1 RETURNING stored, grp")          \
    X(WIRE_SEEN, "UPDATE wires SET seen = max(seen, ?2) WHERE id = ?1")                                      \
    X(WIRE_HASH_ADD, "INSERT INTO wire_hashes (wire, hash) SELECT id, ?2 FROM wires"                         \
                     " WHERE id = ?1 AND hashes < ?3 ON CONFLICT DO NOTHING")                                \
    X(WIRE_HASH_FIND, "SELECT 1 FROM wire_hashes WHERE wire = ?1 AND hash = ?2")                             \
    X(WIRE_CLOSE, "UPDATE wires SET closed = 2, keys = x'' WHERE device = ?1 AND closed = 0"                 \
                  " AND EXISTS (SELECT 1 FROM devices WHERE id = ?1 AND kid IS NOT NULL)")                   \
    X(NODES_LABELS_DELETE, "DELETE FROM labels WHERE device IN " NODES_THAT_GO)                              \
    X(NODES_DELETE, "DELETE FROM devices WHERE id IN " NODES_THAT_GO)                                        \
    X(NODE_WIRES_DELETE, "DELETE FROM wires WHERE " ITS_NODES " AND device NOT IN (SELECT id FROM devices)") \
    X(NODE_WIRES_CLOSE, "UPDATE wires SET closed = 2 WHERE " ITS_NODES " AND closed = 0")                    \
    X(WIRE_DELETE, "DELETE FROM wires WHERE device = ?1 AND session_topic != '' AND closed = 0"              \
                   " AND id NOT IN (SELECT grp FROM wires)")                                                 \
    X(WIRE_BURY, "UPDATE wires SET device = 0, keys = x'', closed = max(closed, 1) WHERE device = ?1")       \
                                                                                                             \
    X(SESSIONS, "SELECT id, issued, retired, spent, hash FROM session_ids WHERE topic = ?1"                  \
                " ORDER BY spent != 0, spent DESC, n DESC LIMIT ?2")                                         \
    X(SESSION_RETIRE, "UPDATE session_ids SET retired = max(?2, 1)"                                          \
                      " WHERE topic = ?1 AND spent = 0 AND retired = 0")                                     \
    X(SESSION_ADD, "INSERT INTO session_ids (topic, id, issued) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING") \
    X(SESSIONS_PRUNE_FUTURE, "DELETE FROM session_ids WHERE topic = ?1 AND spent = 0 AND retired > ?2")      \
    X(SESSIONS_PRUNE_UNSPENT,                                                                                \
      "DELETE FROM session_ids WHERE topic = ?1 AND spent = 0 AND n NOT IN"                                  \
      " (SELECT n FROM session_ids WHERE topic = ?1 AND spent = 0 ORDER BY n DESC LIMIT ?2)")                \
    X(SESSIONS_PRUNE_SPENT,                                                                                  \
      "DELETE FROM session_ids WHERE topic = ?1 AND spent != 0 AND n NOT IN"                                 \
      " (SELECT n FROM session_ids WHERE topic = ?1 AND spent != 0 ORDER BY spent DESC LIMIT ?2)")           \
    X(SESSION_SPEND, "UPDATE session_ids SET hash = ?3,"                                                     \
                     " spent = (SELECT max(spent) + 1 FROM session_ids WHERE topic = ?1)"                    \
                     " WHERE topic = ?1 AND id = ?2 AND spent = 0")                                          \
    X(SESSIONS_VOID, "UPDATE session_ids SET spent = n + (SELECT max(spent) FROM session_ids)"               \
                     " WHERE spent = 0")                                                                     \
    X(SESSIONS_DELETE_UNUSED, "DELETE FROM session_ids WHERE topic NOT IN"                                   \
                              " (SELECT session_topic FROM wires WHERE closed = 0)")                         \
                                                                                                             \
    X(LABEL_PUT, "INSERT INTO labels (device, key, value) VALUES (?1, ?2, ?3)"                               \
                 " ON CONFLICT DO UPDATE SET value = excluded.value WHERE value != excluded.value")          \
    X(LABEL_DELETE, "DELETE FROM labels WHERE device = ?1 AND key = ?2")                                     \
    X(LABEL_COUNT, "SELECT count(*) FROM labels WHERE device = ?1")                                          \
    X(LABEL_IS, "SELECT 1 FROM labels WHERE device = ?1 AND key = ?2 AND (?3 IS NULL OR value = ?3)")        \
    X(LABELS, "SELECT key, value FROM labels WHERE device = ?1 ORDER BY key")                                \
    X(LABELS_DELETE, "DELETE FROM labels WHERE device = ?1")                                                 \
                                                                                                             \
    X(COUNTER_ADD, "INSERT INTO contexts (device, id_context, proven) VALUES (?1, x'', ?2)")                 \
    X(COUNTER_STATE, "SELECT proven AND lower >= ?2 FROM contexts WHERE device = ?1 AND id_context = x''")   \
    X(COUNTER_TRUST, "UPDATE contexts SET proven = 1, lower = max(lower, ?2)"                                \
                     " WHERE device = ?1 AND id_context = x''")                                              \
    X(CONTEXTS_UNPROVE, "UPDATE contexts SET proven = 0 WHERE proven")                                       \
    X(CHALLENGE_REPLACE, "INSERT INTO meta (name, value) VALUES ('challenge', ?1)"                           \
                         " ON CONFLICT DO UPDATE SET value = excluded.value")                                \
    X(CONTEXT_FIND, "SELECT " FLOOR ", " CONTEXT_COLUMNS " FROM (SELECT 1) LEFT JOIN contexts c"             \
                    " ON c.device = ?1 AND c.id_context = ?3 AND " CONTEXT_IS_OPEN)                          \
    X(CONTEXT_NEWEST, "SELECT " FLOOR ", " CONTEXT_COLUMNS " FROM (SELECT 1) LEFT JOIN contexts c"           \
                      " ON c.device = ?1 AND c.id_context != x'' AND c.proven AND " CONTEXT_IS_OPEN          \
                      " ORDER BY c.rank DESC LIMIT 1")                                                       \
    X(CONTEXT_AFTER,                                                                                         \
      "SELECT " CONTEXT_COLUMNS " FROM contexts c"                                                           \
      " WHERE c.device = ?1 AND c.id_context > ?3 AND " CONTEXT_IS_OPEN " ORDER BY c.id_context LIMIT 1")    \
    X(CONTEXTS_ARE_DUE, "SELECT EXISTS (SELECT 1 FROM contexts WHERE closes_at != 0 AND closes_at <= ?1)")   \
    X(FLOOR_RAISE_DUE, RAISE_FLOOR("closes_at != 0 AND closes_at <= ?1"))                                    \
    X(CONTEXTS_DELETE_DUE, "DELETE FROM contexts WHERE closes_at != 0 AND closes_at <= ?1")                  \
    X(FLOOR_RAISE_DEVICE, RAISE_FLOOR("device = ?1"))                                                        \
    X(CONTEXTS_DELETE_DEVICE, "DELETE FROM contexts WHERE device = ?1")                                      \
    X(FLOOR_RAISE_DEVICE_DUE, RAISE_FLOOR("device = ?1 AND closes_at != 0 AND closes_at <= ?2"))             \
    X(CONTEXTS_DELETE_DEVICE_DUE,                                                                            \
      "DELETE FROM contexts WHERE device = ?1 AND closes_at != 0 AND closes_at <= ?2")                       \
                                                                                                             \
    X(CONTEXT_MOVE, "UPDATE contexts AS c SET top = ?4, bits = ?5, lower = ?6, seen = max(seen, ?7)"         \
                    " WHERE c.device = ?1 AND c.id_context = ?3 AND c.proven AND " CONTEXT_IS_OPEN           \
                    " AND c.top = ?8 AND c.bits = ?9 AND c.lower = ?10"                                      \
                    " AND EXISTS (SELECT 1 FROM devices WHERE id = ?1 AND NOT revoked)")                     \
    X(CONTEXT_STATE, "SELECT d.kind, (SELECT value FROM meta WHERE name = 'floor'),"                         \
                     " coalesce((SELECT value FROM meta WHERE name = 'issued_t'), 0), " CONTEXT_COLUMNS      \
                     " FROM devices d LEFT JOIN contexts c ON c.device = d.id AND c.id_context = ?2"         \
                     " WHERE d.id = ?1 AND NOT d.revoked")                                                   \
    X(CONTEXT_PROVE, "INSERT INTO contexts"                                                                  \
                     " (device, id_context, proven, proven_t, top, bits, lower, seen, rank) VALUES"          \
                     " (?1, ?2, 1, max(?3, coalesce((SELECT value FROM meta WHERE name = 'issued_t'), 0)),"  \
                     " ?4, ?5, ?6, ?7,"                                                                      \
                     " (SELECT coalesce(max(rank), 0) + 1 FROM contexts WHERE device = ?1))"                 \
                     " ON CONFLICT DO UPDATE SET proven = 1, proven_t = max(proven_t, excluded.proven_t),"   \
                     " closes_at = 0, top = excluded.top, bits = excluded.bits, lower = excluded.lower,"     \
                     " seen = max(seen, excluded.seen), rank = excluded.rank")                               \
    X(CONTEXTS_SUPERSEDE, "UPDATE contexts SET closes_at = ?3"                                               \
                          " WHERE device = ?1 AND id_context NOT IN (x'', ?2) AND closes_at = 0")            \
                                                                                                             \
    X(SERIES_FIND, "SELECT id, first, last FROM series"                                                      \
                   " WHERE device = ?1 AND name = ?2 AND unit = ?3 AND type = ?4 AND format = ?5")           \
    X(SERIES_ADD, "INSERT INTO series (device, name, unit, type, format, first, last, device_name)"          \
                  " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, name FROM devices WHERE id = ?1"                      \
                  " ON CONFLICT DO NOTHING")                                                                 \
    X(SERIES_WIDEN, "UPDATE series SET first = min(first, ?2), last = max(last, ?3) WHERE id = ?1")          \
    X(SERIES_GONE, "SELECT value FROM meta WHERE name = 'series_gone'")                                      \
    X(SERIES_GONE_RAISE, "UPDATE meta SET value = value + 1 WHERE name = 'series_gone'")                     \
    X(READING_ADD, "INSERT INTO points (time, n, series, value, piv, delay)"                                 \
                   " VALUES (?1, 0, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")                                 \
    X(READING_ADD_NEXT, "INSERT INTO points (time, n, series, value, piv, delay)"                            \
                        " SELECT ?1, max(n) + 1, ?2, ?3, ?4, ?5 FROM points WHERE time = ?1")                \
    X(SERIES_RANGE, "SELECT min(first), max(last) FROM series WHERE " SELECTED_SERIES)                       \
    X(READINGS_START, "SELECT r.time, r.n FROM points r"                                                     \
                      " WHERE r.time >= ?3 AND r.time < ?4 AND " IS_SELECTED                                 \
                      " ORDER BY r.time DESC, r.n DESC LIMIT 1 OFFSET ?5")                                   \
    X(READINGS_PAGE,                                                                                         \
      "SELECT r.time, r.n, r.value, r.piv, r.delay,"                                                         \
      " s.device_name, s.name, s.unit, s.type, s.format"                                                     \
      " FROM points r CROSS JOIN series s ON s.id = r.series"                                                \
      " WHERE (r.time, r.n) > (?3, ?5) AND r.time < ?4 AND " IS_SELECTED " ORDER BY r.time, r.n")            \
    X(READING_AT, "SELECT r.time, r.n, r.value, r.piv, r.delay,"                                             \
                  " s.device_name, s.name, s.unit, s.type, s.format"                                         \
                  " FROM points r CROSS JOIN series s ON s.id = r.series"                                    \
                  " WHERE r.time = ?1 AND r.n = ?2")                                                         \
    X(FOLLOW_TIMELY,                                                                                         \
      "SELECT r.time, r.time, r.n, r.time + r.delay FROM points r"                                           \
      " WHERE r.time >= ?3 AND r.time < ?4 AND NOT " IS_LATE " AND " IS_SELECTED " ORDER BY r.time, r.n")    \
    X(FOLLOW_LATE, "SELECT r.time + r.delay, r.time, r.n, r.time + r.delay"                                  \
                   " FROM points r INDEXED BY readings_late"                                                 \
                   " WHERE r.time + r.delay >= ?3 AND r.time + r.delay < ?4 AND " IS_LATE                    \
                   " AND " IS_SELECTED " ORDER BY r.time + r.delay, r.time, r.n")                            \
    X(EXPIRE_IS_DUE, "SELECT EXISTS (SELECT 1 FROM points WHERE time < ?1)"                                  \
                     " OR EXISTS (SELECT 1 FROM series WHERE last <= ?1)")                                   \
    X(READINGS_BOUND, "SELECT time, n FROM points WHERE time < ?1"                                           \
                      " ORDER BY time, n LIMIT 1 OFFSET ?2")                                                 \
    X(READINGS_DELETE, "DELETE FROM points WHERE (time, n) < (?1, ?2)")                                      \
    X(SERIES_DELETE, "DELETE FROM series WHERE id IN (SELECT id FROM series WHERE last <= ?1 LIMIT ?2)")     \
                                                                                                             \
    X(OUTBOX_END, "SELECT n, points, bytes FROM " OUTBOX_ENDS " ORDER BY n DESC LIMIT 1")                    \
    X(OUTBOX_ADD, "INSERT INTO outbox (n, received, points, all_points, all_bytes, parcel)"                  \
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                                                        \
    X(OUTBOX_AFTER, "SELECT n, received, points, all_points, all_bytes, parcel FROM outbox WHERE n > ?1"     \
                    " ORDER BY n")                                                                           \
    X(OUTBOX_IS_DUE, "SELECT EXISTS (SELECT 1 FROM outbox WHERE n <= " ALL_PASSED ")")                       \
    X(OUTBOX_DELETE,                                                                                         \
      "DELETE FROM outbox WHERE n <= " ALL_PASSED " AND n < (SELECT min(n) FROM outbox) + ?1")               \
    X(SINK_COUNT, "SELECT count(*) FROM sinks")                                                              \
    X(SINK_ADD, "INSERT INTO sinks (name, n, points, bytes, added) VALUES (?1, ?2, ?3, ?4, ?5)"              \
                " ON CONFLICT DO NOTHING")                                                                   \
    X(SINK_DELETE, "DELETE FROM sinks WHERE name = ?1")                                                      \
    X(SINKS, "SELECT s.name, s.n, s.points, s.bytes, s.added, s.confirmed, s.lost, s.refused, s.holder,"     \
             " s.lease, e.n, e.points, e.bytes,"                                                             \
             " coalesce((SELECT received FROM outbox WHERE n > s.n ORDER BY n LIMIT 1), 0)"                  \
             " FROM sinks s CROSS JOIN (SELECT * FROM " OUTBOX_ENDS " ORDER BY n DESC LIMIT 1) e"            \
             " ORDER BY s.name")                                                                             \
    X(SINK_UPDATE, "UPDATE sinks SET points = CASE WHEN ?3 > n THEN ?4 ELSE points END,"                     \
                   " bytes = CASE WHEN ?3 > n THEN ?5 ELSE bytes END,"                                       \
                   " confirmed = CASE WHEN ?3 > n THEN ?8 ELSE confirmed END, n = max(n, ?3),"               \
                   " lost = lost + ?6, refused = refused + ?7, holder = iif(?9 > 0, ?2, ''),"                \
                   " lease = iif(?9 > 0, ?8 + ?9, 0)"                                                        \
                   " WHERE name = ?1 AND (holder IN ('', ?2) OR lease <= ?8 OR lease > ?8 + 60)")            \
                                                                                                             \
    X(EVENT_ADD, "INSERT INTO events (authentic, id, time, kind, device, device_name, source, detail)"       \
                 " VALUES (?1, (SELECT coalesce(max(id), 0) + 1 FROM events WHERE authentic = ?1),"          \
                 " ?2, ?3, ?4, coalesce((SELECT name FROM devices WHERE id = ?4), ''), ?5, ?6)")             \
    X(EVENTS_TRIM, "DELETE FROM events WHERE authentic = ?1"                                                 \
                   " AND id <= (SELECT max(id) FROM events WHERE authentic = ?1) - ?2")                      \
    X(EVENTS_START, "SELECT time, authentic, id FROM events WHERE " EVENT_IS_SELECTED                        \
                    " ORDER BY time DESC, authentic DESC, id DESC LIMIT 1 OFFSET ?3")                        \
    X(EVENT_AFTER, "SELECT time, authentic, id, kind, device, device_name, source, detail FROM events"       \
                   " WHERE (time, authentic, id) > (?3, ?4, ?5) AND " EVENT_IS_SELECTED                      \
                   " ORDER BY time, authentic, id LIMIT 1")

enum statement_id {
#define STATEMENT_ENUM(id, sql) ST_##id,
    STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
        STATEMENT_COUNT
};

#endif
