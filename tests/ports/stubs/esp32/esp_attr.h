/* Declarations for tests, written from the vendor's public documentation: ESP-IDF's places for variables. */
#ifndef STUB_ESP_ATTR_H
#define STUB_ESP_ATTR_H

#define RTC_NOINIT_ATTR

#endif
