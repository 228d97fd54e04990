//! The program: everything is in [`campanile::cli`].

fn main() -> std::process::ExitCode {
    campanile::cli::main()
}
