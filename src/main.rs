//! The program: everything is in [`campanile::cli`].

/// Many small allocations on many threads is what this program does; the system's allocator is slower at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("a release has no points to die at: build it alone, `cargo build --release`");

fn main() -> std::process::ExitCode {
    campanile::cli::main()
}
