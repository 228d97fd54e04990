//! The program `campanile`. All code is in the library; see [`campanile::cli`].

/// The program makes many small allocations on many threads. The allocator of the system is slower for this load.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!(
    "a release build must not contain failpoints: build it without the feature `faults`, with `cargo build --release`"
);

fn main() -> std::process::ExitCode {
    campanile::cli::main()
}
