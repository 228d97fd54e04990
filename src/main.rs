//! The program: everything is in [`campanile::cli`].

/// Many small allocations on many threads is what this program does; the system's allocator is slower at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    campanile::cli::main()
}
