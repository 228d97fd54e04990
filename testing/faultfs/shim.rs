//! The shim between SQLite and the system's VFS. This is the only `unsafe` code, because the interface of SQLite is C.
//!
//! The shim's `sqlite3_file` is a small head, followed by the system's own file, in one block of memory from SQLite. A
//! file that is not watched is opened directly, without the head.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::OnceLock;

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use super::power::Inode;
use super::{Disk, Kind, Operation};

/// The system's VFS. It is never changed nor freed once SQLite is initialized.
struct System(*mut sqlite3_vfs);

// SAFETY: SQLite itself hands the pointer to every thread.
unsafe impl Send for System {}
// SAFETY: as above.
unsafe impl Sync for System {}

static SYSTEM: OnceLock<System> = OnceLock::new();

/// The head of a watched file.
#[repr(C)]
struct Head {
    base: sqlite3_file,
    /// From `Box::into_raw`; freed when the file is closed.
    watched: *mut Watched,
}

struct Watched {
    disk: Disk,
    inode: Option<Inode>,
}

const HEAD: usize = size_of::<Head>().next_multiple_of(16);

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // Version 2 has no xFetch: SQLite cannot bypass the shim through mapped memory.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Installs the shim in front of the system's VFS, once per process.
pub(crate) fn install() {
    SYSTEM.get_or_init(|| {
        // SAFETY: a null name asks for the default, which `find` initializes SQLite for.
        let system = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
        assert!(!system.is_null(), "SQLite has no default VFS");
        // SAFETY: the default VFS is a valid struct for the life of the process; it is plain data and is copied. The
        // functions that the copy does not replace read `pAppData` and `mxPathname` of the system's VFS: both stay
        // unchanged.
        let mut ours = unsafe { *system };
        ours.zName = c"faultfs".as_ptr();
        ours.pNext = null_mut();
        ours.szOsFile += c_int::try_from(HEAD).unwrap_or(64);
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        // SAFETY: the struct is leaked, so it exists for the life of the process.
        let code = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite did not register the shim");
        System(system)
    });
}

/// The system's VFS, which was found before the shim was registered. SQLite may call the shim before `install` has
/// returned on another thread. `get_or_init` waits for it.
fn system() -> *mut sqlite3_vfs {
    SYSTEM.wait().0
}

/// The path of a file name of SQLite's.
///
/// # Safety
/// `name` is null or a C string.
unsafe fn path<'a>(name: *const c_char) -> Option<&'a Path> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller promises it.
    let name = unsafe { CStr::from_ptr(name) };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

unsafe extern "C" fn open(
    _vfs: *mut sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives null or a C string.
    let path = unsafe { path(name) };
    let watched = path.and_then(|path| Some((Disk::of(path)?, path)));
    let Some((disk, path)) = watched else {
        // SAFETY: SQLite's own arguments; the memory at `file` is larger than the system's VFS needs.
        return unsafe { system_open(name, file, flags, out) };
    };
    // SAFETY: the memory at `file` has the size of `szOsFile`; null methods mean that SQLite must not close the file.
    unsafe { (*file).pMethods = std::ptr::null() };
    if disk.judge(Operation::Open).is_some() {
        return ffi::SQLITE_CANTOPEN;
    }
    // Only the first time: closing a file that SQLite has open would take its locks away.
    let existing = (!disk.knows(path))
        .then(|| std::fs::read(path).ok())
        .flatten();
    // SAFETY: the system's file is after the head, inside the memory of size `szOsFile`.
    let real = unsafe { file.byte_add(HEAD) };
    // SAFETY: as above.
    let code = unsafe { system_open(name, real, flags, out) };
    if code == ffi::SQLITE_OK {
        let inode = disk.opened(path, existing);
        let watched = Box::into_raw(Box::new(Watched { disk, inode }));
        // SAFETY: the head fits at the start of that memory, which nothing else uses.
        unsafe {
            file.cast::<Head>().write(Head {
                base: sqlite3_file {
                    pMethods: &raw const METHODS,
                },
                watched,
            });
        }
    }
    code
}

/// # Safety
/// The arguments are those of `xOpen`.
unsafe fn system_open(
    name: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: the system's VFS is valid for the life of the process.
    match unsafe { (*system()).xOpen } {
        // SAFETY: the caller promises it.
        Some(open) => unsafe { open(system(), name, file, flags, out) },
        None => ffi::SQLITE_CANTOPEN,
    }
}

unsafe extern "C" fn delete(_vfs: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: the system's VFS is valid for the life of the process.
    let Some(delete) = (unsafe { (*system()).xDelete }) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    // SAFETY: SQLite's own arguments.
    let code = unsafe { delete(system(), name, sync) };
    // SAFETY: SQLite gives null or a C string.
    let path = unsafe { path(name) };
    let disk = path.and_then(Disk::of);
    if let (ffi::SQLITE_OK, Some(disk), Some(path)) = (code, disk, path) {
        let mut power = disk.power();
        let name = path.file_name().and_then(OsStr::to_str);
        if let Some(name) = name {
            power.removed(name);
        }
        if sync != 0 {
            power.names_synced();
        }
    }
    code
}

/// The parts of a watched file: what we know of it, the system's file, and its methods.
///
/// # Safety
/// `file` was opened by [`open`] with [`METHODS`] and is not closed; only one thread uses it now, as SQLite promises.
unsafe fn parts<'a>(
    file: *mut sqlite3_file,
) -> (&'a Watched, *mut sqlite3_file, &'a sqlite3_io_methods) {
    // SAFETY: `open` wrote the head, the system's file behind it, and methods that are static.
    unsafe {
        let watched = &*(*file.cast::<Head>()).watched;
        let real = file.byte_add(HEAD);
        (watched, real, &*(*real).pMethods)
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite calls a method on an open file only.
    unsafe {
        let (_, real, methods) = parts(file);
        drop(Box::from_raw((*file.cast::<Head>()).watched));
        methods.xClose.map_or(ffi::SQLITE_OK, |close| close(real))
    }
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    into: *mut c_void,
    amount: c_int,
    at: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls a method on an open file only, with the arguments that the system's method wants.
    unsafe {
        let (watched, real, methods) = parts(file);
        if watched.disk.judge(Operation::Read).is_some() {
            return ffi::SQLITE_IOERR_READ;
        }
        methods
            .xRead
            .map_or(ffi::SQLITE_IOERR_READ, |read| read(real, into, amount, at))
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    amount: c_int,
    at: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls a method on an open file only, with the arguments that the system's method wants: `amount`
    // bytes are readable at `from`.
    unsafe {
        let (watched, real, methods) = parts(file);
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), amount.unsigned_abs() as usize);
        let mut size = 0;
        let known = methods
            .xFileSize
            .map_or(ffi::SQLITE_ERROR, |ask| ask(real, &raw mut size));
        let grows = known == ffi::SQLITE_OK && at + sqlite3_int64::from(amount) > size;
        let mut verdict = watched.disk.judge(Operation::Write);
        if grows {
            verdict = verdict.or(watched.disk.judge(Operation::Grow));
        }
        let (bytes, after) = match verdict {
            None => (bytes, ffi::SQLITE_OK),
            Some(Kind::Io) => return ffi::SQLITE_IOERR_WRITE,
            Some(Kind::Full) => return ffi::SQLITE_FULL,
            Some(Kind::Short) => (&bytes[..bytes.len() / 2], ffi::SQLITE_IOERR_WRITE),
        };
        let half = c_int::try_from(bytes.len()).unwrap_or(amount);
        let code = methods
            .xWrite
            .map_or(ffi::SQLITE_IOERR_WRITE, |write| write(real, from, half, at));
        if let (ffi::SQLITE_OK, Some(inode)) = (code, watched.inode) {
            let at = usize::try_from(at).unwrap_or(0);
            watched.disk.power().wrote(inode, at, bytes);
        }
        if code == ffi::SQLITE_OK { after } else { code }
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls a method on an open file only.
    unsafe {
        let (watched, real, methods) = parts(file);
        if watched.disk.judge(Operation::Truncate).is_some() {
            return ffi::SQLITE_IOERR_TRUNCATE;
        }
        let code = methods
            .xTruncate
            .map_or(ffi::SQLITE_IOERR_TRUNCATE, |truncate| truncate(real, size));
        if let (ffi::SQLITE_OK, Some(inode)) = (code, watched.inode) {
            let size = usize::try_from(size).unwrap_or(0);
            watched.disk.power().truncated(inode, size);
        }
        code
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite calls a method on an open file only.
    unsafe {
        let (watched, real, methods) = parts(file);
        let disk = &watched.disk;
        disk.sync_is_near();
        let pending = watched
            .inode
            .map(|inode| (inode, disk.power().pending(inode)));
        let code = match disk.judge(Operation::Sync) {
            // The system's VFS gives this for any error of fsync, a full disk included.
            Some(_) => ffi::SQLITE_IOERR_FSYNC,
            None => methods
                .xSync
                .map_or(ffi::SQLITE_IOERR_FSYNC, |sync| sync(real, flags)),
        };
        match (code, pending) {
            (ffi::SQLITE_OK, Some((inode, pending))) => disk.power().synced(inode, pending),
            (_, Some((inode, pending))) => disk.power().lost(inode, pending),
            (_, None) => {}
        }
        disk.sync_is_near();
        code
    }
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite calls a method on an open file only, with the arguments that the system's method wants.
    unsafe {
        let (watched, real, methods) = parts(file);
        if watched.disk.judge(Operation::Map).is_some() {
            return ffi::SQLITE_IOERR_SHMSIZE;
        }
        methods.xShmMap.map_or(ffi::SQLITE_IOERR_SHMMAP, |map| {
            map(real, page, size, extend, out)
        })
    }
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: SQLite calls a method on an open file only.
    unsafe {
        let (_, real, methods) = parts(file);
        if let Some(barrier) = methods.xShmBarrier {
            barrier(real);
        }
    }
}

/// Methods that pass through as they are.
macro_rules! pass {
    ($($name:ident = $method:ident($($arg:ident: $type:ty),*), or $code:expr;)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $arg: $type)*) -> c_int {
            // SAFETY: SQLite calls a method on an open file only, with the arguments that the system's method wants.
            unsafe {
                let (_, real, methods) = parts(file);
                methods.$method.map_or($code, |method| method(real $(, $arg)*))
            }
        }
    )*};
}

pass! {
    file_size = xFileSize(size: *mut sqlite3_int64), or ffi::SQLITE_IOERR_FSTAT;
    lock = xLock(level: c_int), or ffi::SQLITE_IOERR_LOCK;
    unlock = xUnlock(level: c_int), or ffi::SQLITE_IOERR_UNLOCK;
    check_reserved_lock = xCheckReservedLock(out: *mut c_int), or ffi::SQLITE_IOERR_CHECKRESERVEDLOCK;
    file_control = xFileControl(what: c_int, with: *mut c_void), or ffi::SQLITE_NOTFOUND;
    sector_size = xSectorSize(), or 512;
    device_characteristics = xDeviceCharacteristics(), or 0;
    shm_lock = xShmLock(from: c_int, count: c_int, flags: c_int), or ffi::SQLITE_IOERR_SHMLOCK;
    shm_unmap = xShmUnmap(remove: c_int), or ffi::SQLITE_IOERR_SHMMAP;
}
