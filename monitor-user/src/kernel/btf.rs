//! Where the fields of the kernel's structs are, by their paths, and what its tracepoints pass.
//!
//! Source: the kernel's BTF, `Documentation/bpf/btf.rst`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use btfparse::{Offset, Readable, TypeInformation, TypeVariant};

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
        /// What the parser said.
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

/// The type information of one kernel.
pub struct Btf {
    types: TypeInformation,
}

struct Bytes(Vec<u8>);

impl Readable for Bytes {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> btfparse::Result<()> {
        let end = || usize::try_from(offset).ok()?.checked_add(buffer.len());
        let range = end().and_then(|end| self.0.get(offset as usize..end));
        buffer.copy_from_slice(
            range.ok_or_else(|| btfparse::Error::new(btfparse::ErrorKind::IOError, "it ends too early"))?,
        );
        Ok(())
    }
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

/// Whether it begins as BTF does, in either byte order.
fn is_btf(bytes: &[u8]) -> bool {
    [[0x9f, 0xeb], [0xeb, 0x9f]].iter().any(|magic| bytes.starts_with(magic))
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
        if !is_btf(&bytes) {
            return Err(Error::Malformed { path: path.into(), reason: "it does not begin as BTF does".into() });
        }
        let types = TypeInformation::new(&Bytes(bytes))
            .map_err(|error| Error::Malformed { path: path.into(), reason: error.message().into() })?;
        Ok(Self { types })
    }

    /// The offset in bytes of a field, given as `struct.member.member`.
    pub fn offset(&self, path: &str) -> Option<u32> {
        let (name, members) = path.split_once('.')?;
        // Other kinds of things may have the same name, and drivers structs of their own: the one with the field is meant.
        let indexed = self.types.id_of(name);
        let others = self.types.get().iter().filter_map(|(id, variant)| match variant {
            TypeVariant::Struct(found) if found.name().as_deref() == Some(name) => Some(*id),
            _ => None,
        });
        indexed.into_iter().chain(others).find_map(|id| match self.types.offset_of(id, members) {
            Ok((_, Offset::ByteOffset(offset))) => Some(offset),
            _ => None,
        })
    }

    /// What the tracepoint of this name passes; absent if the kernel has none.
    pub fn arguments(&self, tracepoint: &str) -> Option<Vec<Argument>> {
        let id = self.types.id_of(&format!("btf_trace_{tracepoint}"))?;
        let TypeVariant::Typedef(typedef) = self.types.from_id(id)? else { return None };
        let TypeVariant::Ptr(pointer) = self.types.from_id(*typedef.tid())? else { return None };
        let TypeVariant::FuncProto(prototype) = self.types.from_id(*pointer.tid())? else { return None };
        // The first parameter is the tracepoint's own data.
        Some(prototype.parameter_list().iter().skip(1).map(|parameter| self.argument(parameter.tid())).collect())
    }

    fn argument(&self, mut id: u32) -> Argument {
        loop {
            id = match self.types.from_id(id) {
                Some(TypeVariant::Ptr(_)) => return Argument::Pointer,
                Some(TypeVariant::Int(_)) if self.types.name_of(id).as_deref() == Some("int") => return Argument::Int,
                Some(TypeVariant::Typedef(inner)) => *inner.tid(),
                Some(TypeVariant::Const(inner)) => *inner.tid(),
                Some(TypeVariant::Volatile(inner)) => *inner.tid(),
                _ => return Argument::Number,
            };
        }
    }

    /// The value of an enumerator of any enum.
    pub fn enumerator(&self, name: &str) -> Option<u32> {
        self.types.get().values().find_map(|variant| match variant {
            TypeVariant::Enum(values) => values.named_value_list().iter().find_map(|value| {
                (value.name == name).then_some(match value.value {
                    btfparse::Integer32Value::Signed(value) => value as u32,
                    btfparse::Integer32Value::Unsigned(value) => value,
                })
            }),
            _ => None,
        })
    }
}
