//! The allocator of the binary: mimalloc allocates faster than the platform's, which HTTP/2 and TLS handshakes feel. It
//! keeps freed pages for later, so after the configuration was read it has to be told to give them back. That call is a
//! foreign function: the one unsafe line of the workspace, in a crate of its own.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives the free memory of the calling thread's heap back to the system.
pub fn give_back() {
    // SAFETY: `mi_collect` takes no pointer, may be called at any time from any thread, and only touches memory that is
    // free.
    #[allow(unsafe_code)]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}

#[cfg(test)]
mod tests {
    /// Resident pages of this process, in KiB.
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn memory_that_is_free_goes_back_to_the_system() {
        let before = resident();
        let blocks: Vec<Vec<u8>> = (0..200_000).map(|_| vec![1; 256]).collect();
        let full = resident();
        drop(blocks);
        super::give_back();
        let after = resident();
        assert!(full > before + 40_000, "{before} {full}");
        assert!(after < before + 10_000, "{before} {full} {after}");
    }
}
