/*
 * Who owns the network (PROTOCOL, introduction): hears all that passes, keeps what memory allows, and sends
 * what he likes to the gateway and to the devices, now or after anybody restarted.
 */
#ifndef SIM_ATTACKER_H
#define SIM_ATTACKER_H

#include <stddef.h>
#include <stdint.h>

#define ATTACKER_SESSION 12   /* messages of a session that are recorded: its first and its last ones */
#define ATTACKER_REPLIES 6    /* replies of a device: some of the newest */
#define ATTACKER_WATCHES 2048 /* devices whose traffic is recorded; the others only get forgeries */

struct world;
struct sim_lane;
struct recordings;

/* A message on its way to the gateway, or a reply on its way back: he records it, and may do something. */
void attacker_message(struct world *world, struct sim_lane *lane, const uint8_t *bytes, size_t len);
void attacker_reply(struct world *world, struct sim_lane *lane, const uint8_t *bytes, size_t len);

/* All that he recorded, of every device, to the gateway and to the devices, now: what he would do when a
 * gateway restarted, or a clock was set back. */
void attacker_storm(struct world *world);

/* A new session begins: what is recorded is the old one's now. */
void attacker_turn(struct sim_lane *lane);

void attacker_forget(struct sim_lane *lane);

#endif
