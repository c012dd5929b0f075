/* Where Android's dynamic linker enters the program: what an NDK links in as crtbegin_dynamic.o.
 *
 * Stands in for it where there is no NDK. bionic is handed the stack as the kernel left it, and does the rest: it calls
 * main and ends the process with what that returns. The program has no constructors and no destructors, so the lists of
 * them are empty: zeros, more of them than any bionic so far reads.
 */
typedef int program(int count, char **words, char **environment);

program main;

_Noreturn void __libc_init(void *stack, void (*at_exit)(void), program *begin, void *const *constructors);

__attribute__((used)) static _Noreturn void start(void *stack) {
    static void *const NONE[8];
    __libc_init(stack, 0, main, NONE);
}

/* Hand over the stack pointer, leave no return address, and align the stack as a call would. */
__attribute__((naked)) _Noreturn void _start(void) {
#if defined __aarch64__
    __asm__("mov x29, #0\n mov x30, #0\n mov x0, sp\n b start");
#elif defined __arm__
    __asm__("mov r11, #0\n mov lr, #0\n mov r0, sp\n b start");
#elif defined __x86_64__
    __asm__("xorl %ebp, %ebp\n movq %rsp, %rdi\n andq $-16, %rsp\n call start");
#elif defined __i386__
    __asm__("xorl %ebp, %ebp\n movl %esp, %eax\n andl $-16, %esp\n subl $12, %esp\n pushl %eax\n call start");
#else
#error "no Android phone has this processor"
#endif
}
