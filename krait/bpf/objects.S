/* The compiled BPF objects as bytes; krait/bpf/objects.h declares them. */
  .section .rodata
  .balign 16
  .global krait_bpf_object
krait_bpf_object:
  .incbin "krait.bpf.o"
  .global krait_bpf_object_end
krait_bpf_object_end:
  .balign 16
  .global krait_guard_object
krait_guard_object:
  .incbin "guard.bpf.o"
  .global krait_guard_object_end
krait_guard_object_end:
  .section .note.GNU-stack, "", %progbits
