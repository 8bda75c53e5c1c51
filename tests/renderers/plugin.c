/* The smallest VST2 synth that does wrong on purpose.
 *
 * Built with -DDEED=1..11 it plays a square wave, except that the note BAD_PITCH makes it do its deed; with
 * ENTRY_DEED it does so when it is loaded. A chunk makes it softer, unless its deed is to ignore presets;
 * so does its last parameter, whatever its deed. The layouts are those of the VST 2.4 interface.
 */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef BAD_PITCH
#define BAD_PITCH 99
#endif
#define PARAMETERS 42 /* one more than amsynth has, in whose place it is put */
#ifndef PLUGIN_ID
#define PLUGIN_ID "deed"
#endif

enum { CRASH = 1, LEAVE, HANG, NOT_A_NUMBER, SILENCE, NOISE, CLIP, IGNORE, ORPHAN, ABORT, FORGE };
enum { SET_CHUNK = 24, PROCESS_EVENTS = 25, CATEGORY = 35, NAME = 45, CAN_DO = 51, VST_VERSION = 58 };
enum { CAN_REPLACE = 1 << 4, CHUNKS = 1 << 5, IS_SYNTH = 1 << 8 };

typedef struct Effect {
    int32_t magic;
    intptr_t (*dispatch)(struct Effect *, int32_t, int32_t, intptr_t, void *, float);
    void (*process)(struct Effect *, float **, float **, int32_t);
    void (*set_parameter)(struct Effect *, int32_t, float);
    float (*get_parameter)(struct Effect *, int32_t);
    int32_t programs, parameters, inputs, outputs, flags;
    intptr_t reserved[2];
    int32_t delay, qualities[2];
    float ratio;
    void *object, *user;
    int32_t id, version;
    void (*replace)(struct Effect *, float **, float **, int32_t);
    void *replace_double;
    char future[56];
} Effect;

typedef struct { int32_t type, size, offset, flags, length, note_offset; unsigned char midi[4]; } MidiEvent;
typedef struct { int32_t count; intptr_t reserved; MidiEvent *events[2]; } Events;

static int pitch = -1;
static long clock_;
static int not_a_number, silent;
static float level;

/* Answer in the host's place, with what a file holds, as a preset could that took over the process. */
static void forge(void) {
    static char answer[1 << 16];
    FILE *file = fopen(getenv("FORGED_ANSWER"), "rb");
    size_t length = fread(answer, 1, sizeof answer, file);
    fclose(file);
    for (int pipe = 3; pipe < 64; pipe++)
        if ((fcntl(pipe, F_GETFL) & O_ACCMODE) == O_WRONLY && lseek(pipe, 0, SEEK_CUR) < 0) write(pipe, answer, length);
    pause();
}

static void deed(void) {
    switch (DEED) {
    case CRASH: raise(SIGSEGV); break;
    case LEAVE: exit(0);
    case HANG: for (volatile int forever = 1; forever;) {} break;
    case NOT_A_NUMBER: not_a_number = 1; break;
    case SILENCE: silent = 1; break;
    case ABORT: abort();
    case FORGE: forge(); break;
    case CLIP: level = 1.0f; break;
    case ORPHAN: kill(getppid(), SIGKILL); break;
    case NOISE: printf("a plugin's noise\n"); fflush(stdout); fprintf(stderr, "and more of it\n"); break;
    }
}

static void play(Effect *self, float **in, float **out, int32_t count) {
    (void)self; (void)in;
    for (int32_t i = 0; i < count; i++) {
        float value = pitch < 0 || silent ? 0.0f : clock_ / 100 % 2 ? level : -level;
        out[0][i] = out[1][i] = not_a_number ? NAN : value;
        clock_++;
    }
}

static void set_parameter(Effect *self, int32_t index, float value) {
    (void)self; (void)value;
    if (index == PARAMETERS - 1) level = 0.1f;
}
static float get_parameter(Effect *self, int32_t index) { (void)self; (void)index; return 0.0f; }

static intptr_t dispatch(Effect *self, int32_t code, int32_t index, intptr_t value, void *pointer, float option) {
    (void)self; (void)index; (void)value; (void)option;
    switch (code) {
    case CATEGORY: return 2;
    case VST_VERSION: return 2400;
    case SET_CHUNK: if (DEED != IGNORE) level = 0.2f; return 1;
    case NAME: strcpy(pointer, "deed"); return 1;
    case CAN_DO: return !strcmp(pointer, "receiveVstEvents") || !strcmp(pointer, "receiveVstMidiEvent");
    case PROCESS_EVENTS:
        for (int32_t i = 0; i < ((Events *)pointer)->count; i++) {
            unsigned char *midi = ((Events *)pointer)->events[i]->midi;
            if ((midi[0] & 0xf0) == 0x90 && midi[2]) {
                pitch = midi[1];
                clock_ = 0;
                if (pitch == BAD_PITCH) deed();
            } else if ((midi[0] & 0xf0) == 0x80) pitch = -1;
        }
        return 1;
    }
    return 0;
}

__attribute__((visibility("default"))) Effect *VSTPluginMain(void *host) {
    (void)host;
    pitch = -1;
    not_a_number = silent = 0;
    level = 0.25f;
#ifdef ENTRY_DEED
    deed();
#endif
    Effect *self = calloc(1, sizeof *self);
    self->magic = 'V' << 24 | 's' << 16 | 't' << 8 | 'P';
    self->dispatch = dispatch;
    self->process = self->replace = play;
    self->set_parameter = set_parameter;
    self->get_parameter = get_parameter;
    self->programs = 1;
    self->parameters = PARAMETERS;
    self->outputs = 2;
    self->flags = CAN_REPLACE | CHUNKS | IS_SYNTH;
    self->id = PLUGIN_ID[0] << 24 | PLUGIN_ID[1] << 16 | PLUGIN_ID[2] << 8 | PLUGIN_ID[3];
    self->version = 1;
    return self;
}
