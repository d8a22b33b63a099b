// The compiled BPF programs, embedded: krait.bpf.c and guard.bpf.c as ELF objects.
#pragma once

extern "C" {
extern const unsigned char krait_bpf_object[];
extern const unsigned char krait_bpf_object_end[];
extern const unsigned char krait_guard_object[];
extern const unsigned char krait_guard_object_end[];
}
