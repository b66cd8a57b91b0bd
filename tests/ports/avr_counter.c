/*
 * Firmware of an ATmega328P for tests: it seals for ever under a counter context over the EEPROM, by the
 * library and the port as they are. Its provider encrypts nothing: what is looked at are the numbers, which
 * it writes to GPIOR0 byte by byte, the lowest first; GPIOR1 tells what happened. GPIOR2 is set by the test
 * on a new board: make the counter.
 */
#include <string.h>

#include <avr/io.h>

#include "device/crypto.h"
#include "device/port/avr.h"

#include "avr_counter.h"

int bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
               const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way)
{
    (void)crypto, (void)alg, (void)key, (void)nonce, (void)aad, (void)aad_len;
    if (way == BULLA_OPEN)
        return BULLA_E_FORGED;
    memset(text + len, 0, 8);
    return 0;
}

int bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                      size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    (void)crypto, (void)salt, (void)salt_len, (void)ikm, (void)ikm_len, (void)info, (void)info_len;
    memset(out, 7, out_len);
    return 0;
}

static void __attribute__((noreturn)) end(uint8_t what)
{
    GPIOR1 = what;
    for (;;)
        ;
}

int main(void)
{
    static const struct bulla_credential credential = {{1}, {1, 2, 3}, 3, 10, BULLA_COUNTER};
    static struct avr_port board;
    static struct bulla device;
    static struct bulla_message message;
    static uint8_t buffer[128];

    avr_port_init(&board, 16);
    if (GPIOR2 == 1 && bulla_provision_counter(&credential, &board.port) < 0)
        end(AVR_FAILED);
    if (bulla_open(&device, &credential, &board.port) < 0)
        end(AVR_REFUSED);
    GPIOR1 = AVR_OPENED;
    for (;;) {
        bulla_begin(&message, buffer, sizeof(buffer));
        bulla_add_integer(&message, "t", NULL, 1);
        if (bulla_seal(&device, &message) < 0)
            end(AVR_FAILED);
        for (uint8_t i = 0; i < 5; i++)
            GPIOR0 = (uint8_t)(message.piv >> (8 * i));
        GPIOR1 = AVR_SEALED;
        memcpy(device.next, device.limit, sizeof(device.next)); /* as after 65,536 messages */
    }
}
