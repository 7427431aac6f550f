//! Where the fields of the kernel's structs are.
//!
//! User space finds each offset in the running kernel's BTF and writes it here before the programs are loaded. The
//! values are then frozen, so the verifier sees a pointer it knows the type of plus a constant, and the JIT makes one load of
//! it. Statics keep their names in the object: user space finds them by name.

use core::ptr::read_volatile;

/// A struct of the kernel.
pub type Kernel = *const u8;

/// The offset of a field that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// Declares offsets in bytes; user space fills them in.
macro_rules! offsets {
    ($($(#[$meta:meta])* $name:ident,)+) => {
        $($(#[$meta])* #[unsafe(no_mangle)] pub static $name: u32 = $crate::kernel::ABSENT;)+
    };
}
pub(crate) use offsets;

/// A value that user space sets before the load.
#[inline(always)]
pub fn setting<T: Copy>(value: &'static T) -> T {
    // SAFETY: a reference is valid. Volatile, because the value in the object is not the one at run time.
    unsafe { read_volatile(value) }
}

/// Whether this kernel has the field.
#[inline(always)]
pub fn has(offset: &'static u32) -> bool {
    setting(offset) != ABSENT
}

/// The field at `offset` in the struct at `base`.
///
/// # Safety
///
/// `base` came from the kernel as a pointer to the struct that the offset belongs to. The load itself cannot fault: the
/// verifier admits it only if it knows the pointer's type, and then a bad address reads as 0.
#[inline(always)]
pub unsafe fn read<T: Copy>(base: Kernel, offset: &'static u32) -> T {
    // SAFETY: see above.
    unsafe { read_volatile(base.add(setting(offset) as usize).cast()) }
}

/// `number`, of which the verifier knows from here on only that it is at most `MASK`, which is at most 15.
///
/// The verifier walks every way through a program, and takes two ways for one only where all it knows is the same. A number
/// that each way knows exactly keeps them apart up to the end, and ways multiply: up to its limit of a million steps. `time`
/// is any time in nanoseconds, so its highest bits are 0, but only whoever set the clock knows that.
#[inline(always)]
pub fn forget<const MASK: u64>(number: u64, time: u64) -> u64 {
    // A sum, because before 6.10 the verifier knows nothing of the result of most operations on two unknown numbers.
    (number + (time >> 60)) & MASK
}

/// Keeps the compiler from moving memory accesses across it. No instruction: LLVM has none for a fence on this target.
#[inline(always)]
pub fn compiler_barrier() {
    // SAFETY: nothing is executed; without `nomem` the compiler must assume that any memory changes.
    unsafe { core::arch::asm!("", options(nostack, preserves_flags)) }
}
