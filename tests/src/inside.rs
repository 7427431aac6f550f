//! Makes system calls inside another process, as if it made them itself: what is forbidden to it can be tried.
//!
//! The process's main thread is stopped where it is, executes one `syscall` instruction with registers of our choice, and goes
//! on as if nothing had been. Source: ptrace(2), syscall(2). x86-64 only.

use std::{fs::OpenOptions, io, mem, os::unix::fs::FileExt as _, ptr};

/// A process that is stopped until this is dropped.
pub struct Inside {
    pid: i32,
}

impl Inside {
    /// Stops the process. Only the thread that calls this may use what it gives.
    ///
    /// # Panics
    ///
    /// If there is no such process, or this one may not stop it.
    pub fn enter(pid: u32) -> Self {
        let pid = pid as i32;
        // SAFETY: stops the process; touches no memory of ours.
        let attached = unsafe { libc::ptrace(libc::PTRACE_ATTACH, pid, 0, 0) };
        assert_eq!(attached, 0, "ptrace: {}", io::Error::last_os_error());
        let inside = Self { pid };
        inside.wait();
        inside
    }

    /// Makes the call; gives its result, or its error as a negative number.
    ///
    /// # Panics
    ///
    /// If the process is gone.
    pub fn call(&self, number: i64, arguments: [u64; 6]) -> i64 {
        const SYSCALL: [u8; 2] = [0x0f, 0x05];
        let before = self.registers();
        let mut code = [0; 2];
        self.memory(|memory| memory.read_exact_at(&mut code, before.rip));
        self.memory(|memory| memory.write_all_at(&SYSCALL, before.rip));
        let [rdi, rsi, rdx, r10, r8, r9] = arguments;
        // No call is to be started again: it had none.
        let call =
            libc::user_regs_struct { rax: number as u64, orig_rax: u64::MAX, rdi, rsi, rdx, r10, r8, r9, ..before };
        self.set_registers(&call);
        // SAFETY: runs one instruction of the stopped process.
        let stepped = unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, self.pid, 0, 0) };
        assert_eq!(stepped, 0, "ptrace: {}", io::Error::last_os_error());
        self.wait();
        let result = self.registers().rax as i64;
        self.memory(|memory| memory.write_all_at(&code, before.rip));
        self.set_registers(&before);
        result
    }

    /// Puts text, and a zero, into the process's memory, below its stack; gives where. The next text takes its place.
    ///
    /// # Panics
    ///
    /// If there is no room.
    pub fn text(&self, text: &str) -> u64 {
        // Below what a leaf function may use.
        let at = (self.registers().rsp - 4096) & !15;
        self.memory(|memory| memory.write_all_at(&[text.as_bytes(), &[0]].concat(), at));
        at
    }

    fn memory(&self, access: impl FnOnce(&std::fs::File) -> io::Result<()>) {
        let path = format!("/proc/{}/mem", self.pid);
        let memory = OpenOptions::new().read(true).write(true).open(&path);
        memory.and_then(|memory| access(&memory)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    fn registers(&self) -> libc::user_regs_struct {
        // SAFETY: plain numbers.
        let mut registers: libc::user_regs_struct = unsafe { mem::zeroed() };
        // SAFETY: room for what is written.
        let read = unsafe { libc::ptrace(libc::PTRACE_GETREGS, self.pid, 0, ptr::from_mut(&mut registers)) };
        assert_eq!(read, 0, "ptrace: {}", io::Error::last_os_error());
        registers
    }

    fn set_registers(&self, registers: &libc::user_regs_struct) {
        // SAFETY: reads the struct.
        let written = unsafe { libc::ptrace(libc::PTRACE_SETREGS, self.pid, 0, ptr::from_ref(registers)) };
        assert_eq!(written, 0, "ptrace: {}", io::Error::last_os_error());
    }

    /// Waits until the process has stopped.
    fn wait(&self) {
        let mut status = 0;
        // SAFETY: room for one number.
        let waited = unsafe { libc::waitpid(self.pid, &raw mut status, libc::__WALL) };
        assert!(waited == self.pid && libc::WIFSTOPPED(status), "process {}: status {status:#x}", self.pid);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // SAFETY: lets the process go on.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.pid, 0, 0) };
    }
}
