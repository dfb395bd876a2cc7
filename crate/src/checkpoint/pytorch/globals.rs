//! The Python names that a state dict needs, and what they mean here. Everything else is `Other`.

use crate::checkpoint::dtype::Dtype;

/// A class or function that a pickle names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    /// `OrderedDict` and its like.
    Dict,
    /// Makes a tensor of a storage, an offset, a shape and a stride.
    Tensor,
    /// The same with the element type as the seventh argument.
    TypedTensor,
    /// The same with scales and zero points as the fifth argument.
    QuantizedTensor,
    /// Makes a tensor in a way that is not read here; why.
    Unreadable(&'static str),
    /// Makes an array of NumPy.
    Array,
    /// Gives back its first argument: parameters around tensors, `torch.Size` around tuples.
    First,
    /// Calls its first argument with its third: tensors of a subclass.
    FromType,
    /// A storage class, or an element type.
    Dtype(Dtype),
    /// One scale for all elements.
    PerTensor,
    /// Scales along a dimension.
    PerChannel,
    /// Anything else: kept, never run.
    Other,
}

/// What a name stands for.
pub(super) fn global(module: &[u8], name: &[u8]) -> Global {
    match (module, name) {
        (b"collections", b"OrderedDict" | b"defaultdict") => Global::Dict,
        (b"torch._utils", b"_rebuild_tensor" | b"_rebuild_tensor_v2") => Global::Tensor,
        (b"torch._utils", b"_rebuild_tensor_v3") => Global::TypedTensor,
        (b"torch._utils", b"_rebuild_qtensor") => Global::QuantizedTensor,
        (b"torch._utils", b"_rebuild_parameter" | b"_rebuild_parameter_with_state") | (b"torch", b"Size") => {
            Global::First
        }
        (b"torch._tensor", b"_rebuild_from_type" | b"_rebuild_from_type_v2") => Global::FromType,
        (b"torch._utils", b"_rebuild_sparse_tensor" | b"_rebuild_sparse_csr_tensor") => {
            Global::Unreadable("a sparse tensor; save it with .to_dense()")
        }
        (b"torch._utils", b"_rebuild_meta_tensor_no_storage") => {
            Global::Unreadable("a tensor on the meta device, which has no values")
        }
        (b"torch._utils" | b"torch._tensor", name) if name.starts_with(b"_rebuild_") => {
            Global::Unreadable("a tensor subclass of PyTorch that is not read here")
        }
        (b"torchao.utils" | b"torch.distributed.tensor" | b"torch.distributed._tensor.api", _) => {
            Global::Unreadable("a tensor subclass of PyTorch that is not read here")
        }
        (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct")
        | (b"numpy.core.numeric" | b"numpy._core.numeric", b"_frombuffer") => Global::Array,
        (b"torch", b"per_tensor_affine" | b"per_tensor_symmetric") => Global::PerTensor,
        (
            b"torch",
            b"per_channel_affine" | b"per_channel_symmetric" | b"per_channel_affine_float_qparams",
        ) => Global::PerChannel,
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
        b"LongStorage" | b"int64" => Dtype::I64,
        b"IntStorage" | b"int32" => Dtype::I32,
        b"ShortStorage" | b"int16" => Dtype::I16,
        b"CharStorage" | b"int8" => Dtype::I8,
        b"ByteStorage" | b"uint8" => Dtype::U8,
        b"BoolStorage" | b"bool" => Dtype::Bool,
        b"uint16" => Dtype::U16,
        b"uint32" => Dtype::U32,
        b"uint64" => Dtype::U64,
        b"QInt8Storage" | b"qint8" => Dtype::QInt8,
        b"QUInt8Storage" | b"quint8" => Dtype::QUInt8,
        b"QInt32Storage" | b"qint32" => Dtype::QInt32,
        b"QUInt4x2Storage" | b"quint4x2" => Dtype::Other("quint4x2", 1),
        b"QUInt2x4Storage" | b"quint2x4" => Dtype::Other("quint2x4", 1),
        b"ComplexFloatStorage" | b"complex64" => Dtype::C64,
        b"ComplexDoubleStorage" | b"complex128" => Dtype::Other("complex128", 16),
        b"complex32" => Dtype::Other("complex32", 4),
        b"float8_e4m3fn" => Dtype::F8E4M3,
        b"float8_e5m2" => Dtype::F8E5M2,
        b"float8_e4m3fnuz" => Dtype::F8E4M3Fnuz,
        b"float8_e5m2fnuz" => Dtype::F8E5M2Fnuz,
        b"float8_e8m0fnu" => Dtype::F8E8M0,
        b"float4_e2m1fn_x2" => Dtype::Other("float4_e2m1fn_x2", 1),
        b"UntypedStorage" | b"_UntypedStorage" => Dtype::Other("untyped bytes", 1),
        _ => return None,
    })
}
