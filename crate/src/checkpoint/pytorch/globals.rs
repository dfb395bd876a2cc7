//! The Python names that a state dict needs, and what they mean here. Everything else is `Other`.

/// How the elements of a storage are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    F16,
    BF16,
    F32,
    F64,
    /// Integers, booleans, complex numbers and the like, of so many bytes; 0: unknown.
    Other(u8),
}

impl Dtype {
    /// Cursor of one element.
    pub fn size(self) -> u64 {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other(size) => u64::from(size),
        }
    }
}

/// A class or function that a pickle names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    /// `OrderedDict` and its like.
    Dict,
    /// Makes a tensor of a storage, an offset, a shape and a stride.
    Tensor,
    /// The same with the element type as the seventh argument.
    TypedTensor,
    /// Gives back its first argument: parameters around tensors, `torch.Size` around tuples.
    First,
    /// Calls its first argument with its third: tensors of a subclass.
    FromType,
    /// A storage class, or an element type.
    Dtype(Dtype),
    /// Anything else: kept, never run.
    Other,
}

/// What a name stands for.
pub(super) fn global(module: &[u8], name: &[u8]) -> Global {
    match (module, name) {
        (b"collections", b"OrderedDict" | b"defaultdict") => Global::Dict,
        (b"torch._utils", b"_rebuild_tensor" | b"_rebuild_tensor_v2") => Global::Tensor,
        (b"torch._utils", b"_rebuild_tensor_v3") => Global::TypedTensor,
        (b"torch._utils", b"_rebuild_parameter" | b"_rebuild_parameter_with_state") | (b"torch", b"Size") => {
            Global::First
        }
        (b"torch._tensor", b"_rebuild_from_type" | b"_rebuild_from_type_v2") => Global::FromType,
        (b"torch" | b"torch.cuda" | b"torch.storage", name) => {
            dtype(name).map_or(Global::Other, Global::Dtype)
        }
        _ => Global::Other,
    }
}

fn dtype(name: &[u8]) -> Option<Dtype> {
    Some(match name {
        b"FloatStorage" | b"float32" => Dtype::F32,
        b"HalfStorage" | b"float16" => Dtype::F16,
        b"BFloat16Storage" | b"bfloat16" => Dtype::BF16,
        b"DoubleStorage" | b"float64" => Dtype::F64,
        b"LongStorage" | b"ComplexFloatStorage" => Dtype::Other(8),
        b"IntStorage" | b"QInt32Storage" => Dtype::Other(4),
        b"ShortStorage" => Dtype::Other(2),
        b"ByteStorage" | b"CharStorage" | b"BoolStorage" | b"QInt8Storage" | b"QUInt8Storage"
        | b"QUInt4x2Storage" | b"QUInt2x4Storage" | b"UntypedStorage" | b"_UntypedStorage" => Dtype::Other(1),
        b"ComplexDoubleStorage" => Dtype::Other(16),
        // Element types that `_rebuild_tensor_v3` names: only that they are no floats matters.
        b"uint16" | b"uint32" | b"uint64" | b"int8" | b"uint8" | b"int16" | b"int32" | b"int64" | b"bool"
        | b"complex32" | b"complex64" | b"complex128" | b"float8_e4m3fn" | b"float8_e5m2"
        | b"float8_e4m3fnuz" | b"float8_e5m2fnuz" | b"float8_e8m0fnu" => Dtype::Other(0),
        _ => return None,
    })
}
