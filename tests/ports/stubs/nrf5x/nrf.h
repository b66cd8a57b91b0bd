/* Declarations for tests, written from the vendor's public documentation: registers of the nRF51 and nRF52.
 * Each access to a peripheral asks the model, which goes on by one step. */
#ifndef STUB_NRF_H
#define STUB_NRF_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    volatile uint32_t TASKS_START;
    volatile uint32_t TASKS_STOP;
    volatile uint32_t EVENTS_VALRDY;
    volatile uint32_t CONFIG;
    volatile uint32_t VALUE;
} NRF_RNG_Type;

typedef struct {
    volatile uint32_t READY;
    volatile uint32_t CONFIG;
    volatile uint32_t ERASEPAGE;
} NRF_NVMC_Type;

NRF_RNG_Type *nrf_rng(void);
NRF_NVMC_Type *nrf_nvmc(void);

#define NRF_RNG  (nrf_rng())
#define NRF_NVMC (nrf_nvmc())

#define RNG_CONFIG_DERCEN_Pos     0ul
#define RNG_CONFIG_DERCEN_Enabled 1ul
#define NVMC_READY_READY_Busy     0ul
#define NVMC_CONFIG_WEN_Pos       0ul
#define NVMC_CONFIG_WEN_Ren       0ul
#define NVMC_CONFIG_WEN_Wen       1ul
#define NVMC_CONFIG_WEN_Een       2ul

#ifdef __cplusplus
}
#endif

#endif
