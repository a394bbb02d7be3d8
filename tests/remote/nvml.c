/* Stands for libnvidia-ml.so.1: the functions that the board program calls, with the codes of nvml.h.
   WATTS: what the GPU takes. COUNTER: 0 where it has no energy counter, -1 where it has no sensor at all. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifndef WATTS
#define WATTS 60
#endif
#ifndef COUNTER
#define COUNTER 1
#endif
#define NOT_SUPPORTED 3

static int device;

const char *nvmlErrorString(int code) { return code == NOT_SUPPORTED ? "Not Supported" : "Unknown Error"; }
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { *handle = &device; return 0; }
int nvmlDeviceGetName(void *handle, char *name, unsigned length) { snprintf(name, length, "Tiny GPU"); return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned length) { snprintf(version, length, "555.42"); return 0; }
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *limit) { *limit = 250000; return 0; }

int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *millijoules)
{
    struct timespec now;
    if (handle != &device || COUNTER < 1)
        return NOT_SUPPORTED;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *millijoules = (unsigned long long)WATTS * (now.tv_sec * 1000ULL + now.tv_nsec / 1000000);
    return 0;
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts)
{
    if (handle != &device || COUNTER < 0)
        return NOT_SUPPORTED;
    *milliwatts = WATTS * 1000;
    return 0;
}
