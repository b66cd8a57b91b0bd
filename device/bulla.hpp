/*
 * bulla for C++ (Arduino, PlatformIO): one device, one message at a time, over bulla.h. No heap, no exceptions, no
 * String; C++11.
 *
 *     #include <bulla.hpp>
 *     #include "credential.h"                       // bulla device export NAME --format header
 *
 *     Bulla device;                                 // about 500 bytes
 *
 *     if (device.begin(credential) < 0)             // after Wi-Fi is on, for an ESP
 *         stop();                                   // it would not be safe
 *     device.clear();
 *     device.add("temperature", "Cel", 23.4f);
 *     int error = device.seal();
 *     while (error >= 0 && !device.isStored()) {
 *         post(device.data(), device.size());       // and hand what comes back to device.openReply()
 *         error = device.again();                   // sealed again, or the same bytes: as the reply, or silence, asks
 *     }
 *
 * Every int is 0 (begin: 1 for a session that slept) or a negative enum bulla_error; bulla_strerror() says it in
 * words. What bulla.h says of its functions holds for these.
 */
#ifndef BULLA_HPP
#define BULLA_HPP

#include "arduino_port.h"
#include "bulla.h"

#ifndef BULLA_BUFFER_SIZE
#define BULLA_BUFFER_SIZE 160 /* bytes of a message: BULLA_HEADROOM and BULLA_TAG_MAX, the rest for its records */
#endif

class Bulla
{
public:
    Bulla() : open_(false)
    {
        arduino_port_init(&board_);
        clear();
    }

    ~Bulla()
    {
        end();
    }

    Bulla(const Bulla &) = delete; /* two contexts would use the same numbers */
    Bulla &operator=(const Bulla &) = delete;

    /* The board's port, to be set up before begin(): where its counter lies, for one. */
    struct arduino_port &board()
    {
        return board_;
    }

    /* Opens the context, with the board's port or one of your own, which must stay. 1: a session that slept. */
    BULLA_MUST_CHECK int begin(const struct bulla_credential &credential)
    {
        return begin(credential, board_.port);
    }

    BULLA_MUST_CHECK int begin(const struct bulla_credential &credential, const struct bulla_port &port)
    {
        int result = bulla_wake(&context_, &credential, &port);

        open_ = result >= 0;
        return result;
    }

    /* Makes the counter of a counter credential: once, for a fresh secret, never at start-up (bulla.h). */
    BULLA_MUST_CHECK int provisionCounter(const struct bulla_credential &credential)
    {
        return bulla_provision_counter(&credential, &board_.port);
    }

    /* Wipes the context. */
    void end()
    {
        if (open_)
            bulla_close(&context_);
        open_ = false;
    }

    /* Saves a session before deep sleep. */
    BULLA_MUST_CHECK int sleep()
    {
        return open_ ? bulla_sleep(&context_) : static_cast<int>(BULLA_E_STATE);
    }

    /* Begins a new message; what is not proven to be stored of the last one is given up. */
    void clear()
    {
        bulla_begin(&message_, buffer_, sizeof(buffer_));
    }

    /* Append one reading; `unit` may be null. Errors are told by seal(). */
    void add(const char *name, const char *unit, float value)
    {
        bulla_add_float(&message_, name, unit, value);
    }

    void add(const char *name, const char *unit, double value)
    {
        bulla_add_double(&message_, name, unit, value);
    }

    void add(const char *name, const char *unit, int value)
    {
        bulla_add_integer(&message_, name, unit, value);
    }

    void add(const char *name, const char *unit, unsigned value)
    {
        bulla_add_integer(&message_, name, unit, static_cast<int64_t>(value));
    }

    void add(const char *name, const char *unit, long value)
    {
        bulla_add_integer(&message_, name, unit, value);
    }

    void add(const char *name, const char *unit, unsigned long value)
    {
        bulla_add_integer(&message_, name, unit, static_cast<int64_t>(value));
    }

    void add(const char *name, const char *unit, bool value)
    {
        (void)unit; /* truth has none */
        bulla_add_boolean(&message_, name, value ? 1 : 0);
    }

    void add(const char *name, const char *unit, const char *text) = delete; /* it would be taken for a truth */

    void addText(const char *name, const char *text)
    {
        bulla_add_text(&message_, name, text);
    }

    /* The reading added last was taken so many seconds ago. */
    void setAge(uint32_t seconds)
    {
        bulla_set_age(&message_, seconds);
    }

    BULLA_MUST_CHECK int seal()
    {
        return open_ ? bulla_seal(&context_, &message_) : static_cast<int>(BULLA_E_STATE);
    }

    /* The sealed message. */
    const uint8_t *data() const
    {
        return message_.data;
    }

    size_t size() const
    {
        return message_.size;
    }

    /* Opens a reply in place. What does not authenticate is not believed. */
    BULLA_MUST_CHECK int openReply(void *bytes, size_t len, struct bulla_reply *reply = nullptr)
    {
        return open_ ? bulla_open_reply(&context_, bytes, len, reply) : static_cast<int>(BULLA_E_STATE);
    }

    enum bulla_fate fate() const
    {
        return open_ ? bulla_fate(&context_, &message_) : BULLA_FORGOTTEN;
    }

    bool isStored() const
    {
        return fate() == BULLA_STORED;
    }

    /* Makes the message ready to be sent again, as its fate asks: the same bytes, or under a new number. */
    BULLA_MUST_CHECK int again()
    {
        enum bulla_fate now = fate();

        if (!open_)
            return BULLA_E_STATE;
        if (now == BULLA_STORED)
            return 0;
        return now == BULLA_WAITING ? bulla_resend(&context_, &message_) : bulla_seal_again(&context_, &message_);
    }

private:
    struct arduino_port board_;
    struct bulla context_;
    struct bulla_message message_;
    uint8_t buffer_[BULLA_BUFFER_SIZE];
    bool open_;
};

#endif
