/* bcc asks for a kernel tree for a handful of headers. The program needs nothing of one, so this
 * tree stands in; BCC_KERNEL_SOURCE points at it. */
#define CONFIG_BPF 1
#define CONFIG_BPF_SYSCALL 1
