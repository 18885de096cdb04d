/* Preloaded into the peer, hides from it all that came after AVX2, as ONNX Runtime has no switch for that.
 *
 * Linux lets a thread have CPUID fault (Intel since Ivy Bridge, AMD since Zen 4); the handler answers in its place. The
 * threads that are started later inherit it. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(n) (1u << (n))

static long let_cpuid(unsigned long run) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, run); }

static void answer(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *code = (const unsigned char *)registers[REG_RIP];
    if (code[0] != 0x0f || code[1] != 0xa2) {
        signal(SIGSEGV, SIG_DFL); /* a fault of another kind: it happens again, and ends the process */
        return;
    }
    unsigned leaf = registers[REG_RAX], subleaf = registers[REG_RCX], a, b, c, d;
    let_cpuid(1);
    __cpuid_count(leaf, subleaf, a, b, c, d);
    let_cpuid(0);
    if (leaf == 7 && subleaf == 0) { /* AVX-512 in all its parts, AMX */
        b &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
        c &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
        d &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25));
    }
    if (leaf == 7 && subleaf == 1) { /* AVX-VNNI, AVX512-BF16, AMX-FP16, AVX-IFMA, AVX-VNNI-INT8, AVX-NE-CONVERT, -INT16 */
        a &= ~(BIT(4) | BIT(5) | BIT(21) | BIT(23));
        d &= ~(BIT(4) | BIT(5) | BIT(10));
    }
    registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void hide(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = answer;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, 0);
    if (let_cpuid(0)) {
        perror("this processor or system cannot hide instructions");
        exit(1);
    }
}
