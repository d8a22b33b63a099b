// The first instructions, and what the builder reads in the ELF notes (xen/elfnote.h): a 64-bit paravirtualised kernel.
        .section .text.start, "ax"
        .globl start
start:
        cld
        lea stack_end(%rip), %rsp
        xor %ebp, %ebp
        mov %rsi, %rdi
        call hostile_begin
1:      jmp 1b

        .bss
        .balign 4096
        .skip 65536
stack_end:

        .macro note type, value:vararg
        .balign 4
        .long 4, 2f - 1f, \type
        .asciz "Xen"
1:      \value
2:      .balign 4
        .endm

        .section .note.Xen, "a", @note
        note 1, .quad start                     // ENTRY
        note 3, .quad 0xffffffff80000000        // VIRT_BASE
        note 4, .quad 0                         // PADDR_OFFSET
        note 15, .quad 0x8000000000             // INIT_P2M: no part of what the rest is mapped in
        note 16, .quad 1                        // MOD_START_PFN
        note 6, .asciz "hostile"                // GUEST_OS
        note 5, .asciz "xen-3.0"                // XEN_VERSION

        .section .note.GNU-stack, "", @progbits
