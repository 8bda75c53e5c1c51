/* A VST2 synth for trials: well-behaved, unless told at compile time how it isn't.
 *
 * -DRUNS_ON       its oscillator runs on, from note to note and from preset to preset
 * -DRINGS=s       a note that was let go rings for s seconds more, down to -100 dB
 * -DDRAWS         adds noise from the C library's random numbers
 * -DNEVER_AGAIN   adds noise that nothing can start over
 * -DOUTPUTS=n     has n channels of sound, of which the third and further ones play something else
 * -DLEAKS=n       loses n MiB of memory with each preset
 * -DPOISONED      plays nothing but NaN once its Shape was above 0.9
 * -DBREAKS        dies when a preset is loaded after something was played
 * -DSTOPS         never comes back from that
 * -DENTRY_CRASH, -DENTRY_HANG   does so when it is loaded
 * -DEFFECT        says that it is an effect
 * -DBEYOND        says of its parameters that they are above 1, below 0, or no numbers
 * -DTWINS         calls its first two parameters the same, and its third one nothing
 *
 * The layouts are those of the VST 2.4 interface.
 */
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RATE 44100.0
#define PARAMETERS 5
#ifndef OUTPUTS
#define OUTPUTS 1
#endif

enum { PARAMETER_NAME = 8, PROCESS_EVENTS = 25, CATEGORY = 35, NAME = 45, CAN_DO = 51, VST_VERSION = 58 };
enum { CAN_REPLACE = 1 << 4, IS_SYNTH = 1 << 8 };

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

typedef struct {
    float values[PARAMETERS];
    int pitch, held, played;
    double phase, level;
    uint32_t noise;
} Voice;

#ifdef TWINS
static const char *names[PARAMETERS] = {"Mix", "Mix", "", "Reverb Wet", "Reverb Wet"};
#else
static const char *names[PARAMETERS] = {"Shape", "Colour", "Master Tune", "Reverb Wet", "Reverb Wet"};
#endif

#ifdef POISONED
static int poisoned;
#endif
#ifdef LEAKS
static void *volatile lost; /* kept somewhere, or the compiler wouldn't ask for it */
#endif

static void play(Effect *self, float **in, float **out, int32_t count) {
    Voice *voice = self->object;
    (void)in;
    for (int32_t i = 0; i < count; i++) {
        double step = 440.0 * pow(2.0, (voice->pitch - 69) / 12.0) / RATE;
        double saw = 2 * voice->phase - 1, square = voice->phase < 0.1 + 0.8 * voice->values[1] ? 1 : -1;
        double value = voice->values[0] * saw + (1 - voice->values[0]) * square;
#ifdef DRAWS
        value += rand() / (double)RAND_MAX - 0.5;
#endif
#ifdef NEVER_AGAIN
        voice->noise = voice->noise * 1664525u + 1013904223u;
        value += voice->noise / 4294967296.0 - 0.5;
#endif
        if (!voice->held) {
#ifdef RINGS
            voice->level *= exp(-5 * log(10) / (RINGS * RATE));
#else
            voice->level = 0;
#endif
        }
#ifdef POISONED
        if (poisoned) value = NAN;
#endif
        out[0][i] = (float)(0.25 * voice->level * value);
        for (int channel = 1; channel < OUTPUTS; channel++) out[channel][i] = channel < 2 ? -out[0][i] : 0.5f;
        voice->phase += step;
        voice->phase -= floor(voice->phase);
    }
}

static void set_parameter(Effect *self, int32_t index, float value) {
    Voice *voice = self->object;
#ifdef BREAKS
    if (voice->played) raise(SIGSEGV);
#endif
#ifdef STOPS
    while (*(volatile int *)&voice->played) {}
#endif
#ifdef LEAKS
    if (!index) lost = memset(malloc(LEAKS << 20), 1, LEAKS << 20);
#endif
#ifdef POISONED
    if (!index && value > 0.9f) poisoned = 1;
#endif
    voice->values[index] = value;
}

static float get_parameter(Effect *self, int32_t index) {
#ifdef BEYOND
    (void)self;
    return (float[]){1.5f, -0.5f, NAN, INFINITY, 0.25f}[index];
#else
    return ((Voice *)self->object)->values[index];
#endif
}

static intptr_t dispatch(Effect *self, int32_t code, int32_t index, intptr_t value, void *pointer, float option) {
    Voice *voice = self->object;
    (void)value; (void)option;
    switch (code) {
    case PARAMETER_NAME: strcpy(pointer, names[index]); return 1;
#ifdef EFFECT
    case CATEGORY: return 1;
#else
    case CATEGORY: return 2;
#endif
    case VST_VERSION: return 2400;
    case NAME: strcpy(pointer, "Running Synth"); return 1;
    case CAN_DO: return !strcmp(pointer, "receiveVstEvents") || !strcmp(pointer, "receiveVstMidiEvent");
    case PROCESS_EVENTS:
        for (int32_t i = 0; i < ((Events *)pointer)->count; i++) {
            unsigned char *midi = ((Events *)pointer)->events[i]->midi;
            if ((midi[0] & 0xf0) == 0x90 && midi[2]) {
                voice->pitch = midi[1];
                voice->held = voice->played = 1;
                voice->level = midi[2] / 127.0;
#ifdef NEVER_AGAIN
                struct timespec now; /* asked at each note: processes that were forked share what was asked before */
                clock_gettime(CLOCK_REALTIME, &now);
                voice->noise ^= (uint32_t)now.tv_nsec;
#endif
#ifndef RUNS_ON
                voice->phase = 0;
#endif
            } else if ((midi[0] & 0xf0) == 0x80 && midi[1] == voice->pitch) voice->held = 0;
        }
        return 1;
    }
    return 0;
}

__attribute__((visibility("default"))) Effect *VSTPluginMain(void *host) {
    (void)host;
#ifdef ENTRY_CRASH
    raise(SIGSEGV);
#endif
#ifdef ENTRY_HANG
    for (volatile int forever = 1; forever;) {}
#endif
    Effect *self = calloc(1, sizeof *self);
    Voice *voice = calloc(1, sizeof *voice);
    voice->values[0] = voice->values[2] = 0.5f;
    voice->pitch = 60;
    self->object = voice;
    self->magic = 'V' << 24 | 's' << 16 | 't' << 8 | 'P';
    self->dispatch = dispatch;
    self->process = self->replace = play;
    self->set_parameter = set_parameter;
    self->get_parameter = get_parameter;
    self->programs = 1;
    self->parameters = PARAMETERS;
    self->outputs = OUTPUTS;
#ifdef EFFECT
    self->inputs = 1;
    self->flags = CAN_REPLACE;
#else
    self->flags = CAN_REPLACE | IS_SYNTH;
#endif
    self->id = 'R' << 24 | 'u' << 16 | 'n' << 8 | 'S';
    self->version = 0x102;
    return self;
}
