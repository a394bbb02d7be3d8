/* Stands for libcudart.so: a GPU whose memory is the host's, with the functions that the board program calls. */
#include <stdlib.h>
#include <string.h>

static int stream;

const char *cudaGetErrorString(int code) { return code == 2 ? "out of memory" : "unknown error"; }
int cudaStreamCreate(void **made) { *made = &stream; return 0; }
int cudaStreamSynchronize(void *given) { return given == &stream ? 0 : 400; }
int cudaGetDevice(int *number) { *number = 0; return 0; }
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? 8 : 7;
  return device == 0 && (attribute == 75 || attribute == 76) ? 0 : 1;
}
int cudaGetDeviceProperties(char *properties, int device) { strcpy(properties, "Orin"); return device; }
int cudaMalloc(void **made, size_t size) {
  if (size > 1 << 20) return 2;
  *made = malloc(size);
  return 0;
}
int cudaMemcpy(void *to, const void *from, size_t size, int kind) {
  memcpy(to, from, size);
  return kind == 1 || kind == 2 ? 0 : 21;
}
