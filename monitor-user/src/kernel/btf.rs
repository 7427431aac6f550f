//! Where the kernel's structs have their fields, by their paths, and what its tracepoints pass.
//!
//! In: type information (BTF). Out: offsets, arguments, enumerators, and the ids by which programs are attached. The bytes stay as they
//! are, with an index of a few hundred kilobytes: an agent with little memory must be able to begin, and the usual parsers
//! make fifty megabytes of five.
//!
//! Source: the kernel's `Documentation/bpf/btf.rst` and `include/uapi/linux/btf.h`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where every kernel with BTF shows it.
pub const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Why the type information cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{path}: {error}; a kernel built with CONFIG_DEBUG_INFO_BTF=y has it")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is no BTF.
    #[error("{path} is not BTF: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file describes other types than the running kernel has.
    #[error(
        "{path} is the BTF of another kernel: it differs from {KERNEL_BTF}; leave out --btf, or give the file of this kernel"
    )]
    OtherKernel {
        /// The file.
        path: PathBuf,
    },
}

/// What a tracepoint passes as one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A pointer.
    Pointer,
    /// A plain C `int`.
    Int,
    /// Any other number.
    Number,
}

/// The type information of one kernel.
pub struct Btf {
    bytes: Vec<u8>,
    /// Where each type begins, by its id; the first, which is `void`, nowhere.
    types: Vec<usize>,
    /// Where names begin.
    strings: usize,
    /// Structs, typedefs and functions by the hash of their names.
    named: Vec<(u32, u32)>,
}

/// Kinds of types.
const INT: u32 = 1;
const PTR: u32 = 2;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
/// `volatile`, `const`, `restrict`, and tags: what they stand before is what counts.
const MODIFIERS: [u32; 4] = [9, 10, 11, 18];
/// A type begins with its name, its info, and its size or the type that it refers to.
const HEAD: usize = 12;
/// No chain of types is longer, unless it is nonsense.
const DEEPEST: usize = 32;

/// Whether it begins as BTF does, in either byte order.
fn is_btf(bytes: &[u8]) -> bool {
    [[0x9f, 0xeb], [0xeb, 0x9f]].iter().any(|magic| bytes.starts_with(magic))
}

/// FNV-1a.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// How many bytes follow the head of a type.
fn body(kind: u32, count: usize) -> Option<usize> {
    Some(match kind {
        INT | 14 | 17 => 4,
        PTR | 7 | TYPEDEF | 9 | 10 | 11 | FUNC | 16 | 18 => 0,
        3 => 12,
        STRUCT | UNION | 15 | 19 => 12 * count,
        ENUM | FUNC_PROTO => 8 * count,
        _ => return None,
    })
}

impl Btf {
    /// Reads `file`, or the running kernel's own if there is none.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no BTF, or is another kernel's.
    pub fn open(file: Option<&Path>) -> Result<Self, Error> {
        let path = file.unwrap_or(Path::new(KERNEL_BTF));
        let bytes = fs::read(path).map_err(|error| Error::Unreadable { path: path.into(), error })?;
        // Types of another kernel are not even parsed.
        if file.is_some() && is_btf(&bytes) && fs::read(KERNEL_BTF).is_ok_and(|kernels| kernels != bytes) {
            return Err(Error::OtherKernel { path: path.into() });
        }
        Self::parse(path, bytes)
    }

    /// Reads the bytes of a file; `path` is what errors name.
    ///
    /// # Errors
    ///
    /// If they are no BTF.
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        let malformed = |reason: &str| Error::Malformed { path: path.into(), reason: reason.into() };
        if !is_btf(&bytes) {
            return Err(malformed("it does not begin as BTF does"));
        }
        let mut btf = Self { bytes, types: vec![0], strings: 0, named: Vec::new() };
        if btf.bytes[..2] != 0xeb9f_u16.to_ne_bytes() {
            return Err(malformed("it is of a machine with another byte order"));
        }
        btf.index().ok_or_else(|| malformed("it ends too early, or has a type of an unknown kind"))?;
        Ok(btf)
    }

    /// Finds where each type begins.
    fn index(&mut self) -> Option<()> {
        let field = |at: usize| self.word(at).and_then(|word| usize::try_from(word).ok());
        let (header, start, length, strings) = (field(4)?, field(8)?, field(12)?, field(16)?);
        let mut at = header.checked_add(start)?;
        let end = at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        self.strings = header.checked_add(strings).filter(|strings| *strings <= self.bytes.len())?;
        while at < end {
            let (kind, count) = self.shape(at)?;
            let id = u32::try_from(self.types.len()).ok()?;
            if [STRUCT, TYPEDEF, FUNC].contains(&kind) {
                let name = hash(self.name(at));
                self.named.push((name, id));
            }
            self.types.push(at);
            at = at.checked_add(HEAD)?.checked_add(body(kind, count)?)?;
        }
        self.named.sort_unstable();
        (at == end).then_some(())
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?;
        bytes.try_into().ok().map(u32::from_ne_bytes)
    }

    /// The kind of the type that begins there, and how many members, values or parameters it has.
    fn shape(&self, at: usize) -> Option<(u32, usize)> {
        let info = self.word(at + 4)?;
        Some((info >> 24 & 0x1f, (info & 0xffff) as usize))
    }

    /// The name at the beginning of a type, a member, a value or a parameter; empty if it has none.
    fn name(&self, at: usize) -> &[u8] {
        let offset = self.word(at).and_then(|offset| self.strings.checked_add(offset as usize));
        let rest = offset.and_then(|offset| self.bytes.get(offset..)).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    fn at(&self, id: u32) -> Option<usize> {
        self.types.get(usize::try_from(id).ok()?).copied().filter(|_| id != 0)
    }

    /// Types of a kind with this name, by id.
    fn find<'a>(&'a self, kind: u32, name: &'a str) -> impl Iterator<Item = (u32, usize)> + 'a {
        let wanted = hash(name.as_bytes());
        let first = self.named.partition_point(|(hash, _)| *hash < wanted);
        let same = self.named[first..].iter().take_while(move |(hash, _)| *hash == wanted);
        same.filter_map(move |(_, id)| {
            let at = self.at(*id)?;
            (self.shape(at)?.0 == kind && self.name(at) == name.as_bytes()).then_some((*id, at))
        })
    }

    /// What a type is behind modifiers, and behind typedefs if they are no difference.
    fn bare(&self, mut id: u32, typedefs: bool) -> Option<(u32, usize)> {
        for _ in 0..DEEPEST {
            let at = self.at(id)?;
            let (kind, _) = self.shape(at)?;
            let passes = MODIFIERS.contains(&kind) || typedefs && kind == TYPEDEF;
            if !passes {
                return Some((kind, at));
            }
            id = self.word(at + 8)?;
        }
        None
    }

    /// The offset in bytes of a field, given as `struct.member.member`.
    pub fn offset(&self, path: &str) -> Option<u32> {
        let (name, members) = path.split_once('.')?;
        // Drivers have structs of their own with the same names: the one with the field is meant.
        self.find(STRUCT, name).find_map(|(_, at)| self.place(at, members))
    }

    /// The offset of a chain of members in the struct that begins there.
    fn place(&self, mut at: usize, members: &str) -> Option<u32> {
        let mut bits = 0u32;
        let mut names = members.split('.').peekable();
        while let Some(name) = names.next() {
            let (offset, id) = self.member(at, name, DEEPEST)?;
            bits = bits.checked_add(offset)?;
            if names.peek().is_some() {
                at = self.bare(id, true)?.1;
            }
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// The offset in bits and the type of a member, be it one of a nameless struct or union inside.
    fn member(&self, at: usize, name: &str, depth: usize) -> Option<(u32, u32)> {
        let (kind, count) = self.shape(at)?;
        if depth == 0 || ![STRUCT, UNION].contains(&kind) {
            return None;
        }
        // With the flag, the upper byte is the width of a bit field.
        let with_widths = self.word(at + 4)? >> 31 == 1;
        (0..count).find_map(|i| {
            let member = at + HEAD + 12 * i;
            let (id, place) = (self.word(member + 4)?, self.word(member + 8)?);
            let (width, bits) = if with_widths { (place >> 24, place & 0x00ff_ffff) } else { (0, place) };
            match self.name(member) {
                [] => {
                    let (inner, found) = self.member(self.bare(id, true)?.1, name, depth - 1)?;
                    Some((bits.checked_add(inner)?, found))
                }
                found => (found == name.as_bytes() && width == 0).then_some((bits, id)),
            }
        })
    }

    /// What the tracepoint of this name passes; absent if the kernel has none.
    pub fn arguments(&self, tracepoint: &str) -> Option<Vec<Argument>> {
        let (_, typedef) = self.find(TYPEDEF, &format!("btf_trace_{tracepoint}")).next()?;
        let (pointer, at) = self.bare(self.word(typedef + 8)?, false)?;
        let (prototype, at) = self.bare(self.word(at + 8).filter(|_| pointer == PTR)?, false)?;
        if prototype != FUNC_PROTO {
            return None;
        }
        let (_, count) = self.shape(at)?;
        // The first parameter is the tracepoint's own data.
        (1..count).map(|i| Some(self.argument(self.word(at + HEAD + 8 * i + 4)?))).collect()
    }

    fn argument(&self, id: u32) -> Argument {
        match self.bare(id, true) {
            Some((PTR, _)) => Argument::Pointer,
            Some((INT, at)) if self.name(at) == b"int" => Argument::Int,
            _ => Argument::Number,
        }
    }

    /// The value of an enumerator of any enum.
    pub fn enumerator(&self, name: &str) -> Option<u32> {
        self.types.iter().skip(1).find_map(|&at| {
            let (kind, count) = self.shape(at)?;
            let mut values = (0..count).map(|i| at + HEAD + 8 * i).filter(|_| kind == ENUM);
            values.find(|value| self.name(*value) == name.as_bytes()).and_then(|value| self.word(value + 4))
        })
    }

    /// The type information that aya needs to attach programs to these tracepoints and iterators: their ids, and nothing else.
    ///
    /// # Errors
    ///
    /// Says what aya has against it.
    pub fn for_attaching(&self, tracepoints: &[&str], iterators: &[&str]) -> Result<aya::Btf, String> {
        let mut found: Vec<(u32, String, u32)> = Vec::new();
        for (names, prefix, kind) in [(tracepoints, "btf_trace_", TYPEDEF), (iterators, "bpf_iter_", FUNC)] {
            for name in names.iter().map(|name| format!("{prefix}{name}")) {
                let id = self.find(kind, &name).map(|(id, _)| id).next();
                found.extend(id.map(|id| (id, name, kind)));
            }
        }
        found.sort();
        found.dedup_by_key(|(id, ..)| *id);
        let (mut types, mut strings) = (Vec::<u32>::new(), vec![0u8]);
        for (id, name, kind) in found {
            // A type's id is its place: nameless pointers stand where the others are.
            while types.len() / 3 + 1 < id as usize {
                types.extend([0, PTR << 24, 0]);
            }
            types.extend([strings.len() as u32, kind << 24, 0]);
            strings.extend(name.bytes().chain([0]));
        }
        let (types_length, strings_length) = (4 * types.len() as u32, strings.len() as u32);
        // Version 1, no flags; offsets are from the header's end.
        let header = [24, 0, types_length, types_length, strings_length];
        let mut bytes = 0xeb9f_u16.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        bytes.extend(header.into_iter().chain(types).flat_map(u32::to_ne_bytes));
        bytes.extend(strings);
        aya::Btf::parse(&bytes, aya::Endianness::default()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Btf {
        let bytes = include_bytes!("../../../fuzz/corpus/btf/small").to_vec();
        Btf::parse(Path::new("small"), bytes).unwrap()
    }

    #[test]
    fn fields_and_arguments_are_found_and_what_refers_to_itself_is_not_followed_for_ever() {
        let btf = small();
        assert_eq!((btf.offset("task_struct.pid"), btf.offset("task_struct.tgid")), (Some(0), Some(4)));
        assert_eq!((btf.offset("task_struct.nothing"), btf.offset("nothing.pid")), (None, None));
        assert_eq!(btf.offset("task_struct.pid.deeper"), None);
        assert_eq!(btf.arguments("sched_switch"), Some(vec![Argument::Int, Argument::Pointer]));
        assert_eq!((btf.arguments("mark_victim"), btf.arguments("nothing")), (None, None));
        assert_eq!(btf.enumerator("nothing"), None);
    }

    #[test]
    fn programs_are_attached_by_the_ids_of_the_kernel() {
        use aya_obj::btf::BtfKind;
        let btf = small();
        let found = btf.for_attaching(&["sched_switch", "mark_victim", "nothing"], &["task"]).unwrap();
        assert_eq!(found.id_by_type_name_kind("btf_trace_sched_switch", BtfKind::Typedef).unwrap(), 6);
        assert_eq!(found.id_by_type_name_kind("btf_trace_mark_victim", BtfKind::Typedef).unwrap(), 8);
        assert!(found.id_by_type_name_kind("btf_trace_nothing", BtfKind::Typedef).is_err());
    }

    #[test]
    fn what_is_no_btf_is_refused_with_the_reason() {
        let reason = |bytes: &[u8]| Btf::parse(Path::new("x"), bytes.to_vec()).err().map(|error| error.to_string());
        assert!(reason(b"").unwrap().contains("does not begin"));
        assert!(reason(&[0xeb, 0x9f, 1, 0]).unwrap().contains("byte order"));
        let small = include_bytes!("../../../fuzz/corpus/btf/small");
        assert!(reason(&small[..60]).unwrap().contains("too early"));
    }

    /// The kernel that runs here has everything, and aya reads the same of it.
    #[test]
    fn the_running_kernels_own_is_read_as_others_read_it() {
        use aya_obj::btf::BtfKind;
        let Ok(btf) = Btf::open(None) else { return };
        let theirs = aya::Btf::from_sys_fs().unwrap();
        let ours = btf.for_attaching(&["sched_switch", "block_rq_complete"], &["task"]).unwrap();
        for (name, kind) in [
            ("btf_trace_sched_switch", BtfKind::Typedef),
            ("btf_trace_block_rq_complete", BtfKind::Typedef),
            ("bpf_iter_task", BtfKind::Func),
        ] {
            let id = |btf: &aya::Btf| btf.id_by_type_name_kind(name, kind).unwrap();
            assert_eq!(id(&ours), id(&theirs), "{name}");
        }
        assert!(btf.offset("task_struct.sched_info.run_delay").is_some_and(|offset| offset > 0));
        assert!(btf.arguments("sched_switch").is_some_and(|arguments| arguments.len() >= 3));
    }
}
