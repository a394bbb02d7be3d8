/* An external TFLite delegate as small as it gets: it computes every SOFTMAX over floats itself and leaves the rest.

   Options: take=none leaves everything; crash=create and crash=invoke end in SIGSEGV there, as a driver of the wrong
   version does; fail=create refuses with words. The structures are TFLite's, of which only what is used has a name. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, SOFTMAX = 25, MOST = 16 };

typedef struct { int size; int data[]; } Ints;
typedef struct {
  int type;
  void *data;
  Ints *dims;
  float scale;
  int32_t zero_point;
  int allocation_type;
  size_t bytes;
  const void *allocation, *name, *delegate;
  int buffer_handle;
  bool stale, variable;
  int quantized;
  void *quantization, *sparsity, *signature;
} Tensor;
typedef struct { Ints *inputs, *outputs, *intermediates, *temporaries; void *kernel; } Node;
typedef struct Context Context;
typedef struct {
  void *(*init)(Context *, const char *, size_t);
  void (*release)(Context *, void *);
  int (*prepare)(Context *, Node *);
  int (*invoke)(Context *, Node *);
  void *profiling_string;
  int32_t builtin_code;
  const char *name;
  int version;
  void *newer[4];
} Registration;
typedef struct Delegate {
  void *data;
  int (*prepare)(Context *, struct Delegate *);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *newer[2];
  bool none, crash; /* our own */
} Delegate;
struct Context {
  size_t count;
  int (*plan)(Context *, Ints **);
  Tensor *tensors;
  void *impl, *resize, *report, *add;
  int (*node)(Context *, int, Node **, Registration **);
  int (*replace)(Context *, Registration, const Ints *, Delegate *);
};
typedef struct { Delegate *delegate; Ints *nodes; } Partition;
typedef struct { bool crash; int count, in[MOST], out[MOST]; } Kernel;

static void die(void) { *(volatile int *)16 = 1; }

static void *init(Context *context, const char *buffer, size_t length) {
  const Partition *partition = (const Partition *)buffer;
  Kernel *kernel = calloc(1, sizeof(Kernel));
  (void)length;
  kernel->crash = partition->delegate->crash;
  for (int i = 0; i < partition->nodes->size && i < MOST; i++) {
    Node *node;
    Registration *registration;
    context->node(context, partition->nodes->data[i], &node, &registration);
    kernel->in[i] = node->inputs->data[0];
    kernel->out[i] = node->outputs->data[0];
    kernel->count = i + 1;
  }
  return kernel;
}

static void release(Context *context, void *kernel) { (void)context; free(kernel); }
static int ready(Context *context, Node *node) { (void)context; (void)node; return OK; }

static int invoke(Context *context, Node *node) {
  const Kernel *kernel = node->kernel;
  if (kernel->crash) die();
  for (int k = 0; k < kernel->count; k++) {
    const Tensor *in = &context->tensors[kernel->in[k]];
    const int classes = in->dims->data[in->dims->size - 1];
    const float *x = in->data;
    float *y = context->tensors[kernel->out[k]].data;
    for (size_t row = 0; row < in->bytes / sizeof(float); row += classes) {
      float sum = 0;
      for (int i = 0; i < classes; i++) sum += y[row + i] = expf(x[row + i]);
      for (int i = 0; i < classes; i++) y[row + i] /= sum;
    }
  }
  return OK;
}

static int prepare(Context *context, Delegate *delegate) {
  static const Registration ours = {.init = init, .release = release, .prepare = ready, .invoke = invoke,
                                    .name = "SoftmaxOfATest", .version = 1};
  Ints *plan, *wanted;
  context->plan(context, &plan);
  wanted = calloc(1, sizeof(Ints) + sizeof(int) * plan->size);
  for (int i = 0; i < plan->size; i++) {
    Node *node;
    Registration *registration;
    context->node(context, plan->data[i], &node, &registration);
    if (registration->builtin_code == SOFTMAX && !delegate->none && context->tensors[node->inputs->data[0]].type == 1)
      wanted->data[wanted->size++] = plan->data[i];
  }
  int status = context->replace(context, ours, wanted, delegate);
  free(wanted);
  return status;
}

void *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  Delegate *delegate = calloc(1, sizeof(Delegate));
  delegate->prepare = prepare;
  for (size_t i = 0; i < count; i++) {
    if (!strcmp(keys[i], "take")) delegate->none = !strcmp(values[i], "none");
    if (!strcmp(keys[i], "crash") && !strcmp(values[i], "create")) die();
    if (!strcmp(keys[i], "crash")) delegate->crash = !strcmp(values[i], "invoke");
    if (!strcmp(keys[i], "fail")) {
      report("no such accelerator");
      return NULL;
    }
  }
  return delegate;
}

void tflite_plugin_destroy_delegate(void *delegate) { free(delegate); }
