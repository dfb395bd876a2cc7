//! What an unpickled file is made of.
//!
//! Values live in one arena and name each other by index, so shared, nested or cyclic values need no
//! recursion, neither while they are read nor when they are dropped.

use crate::checkpoint::dtype::Dtype;
use crate::checkpoint::pytorch::globals::Global;

/// A value's place in [`Pickle::values`].
pub(crate) type Id = u32;

/// What a pickle can leave behind.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// Something that nobody needs: None, a set.
    Opaque,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// Bytes that are not UTF-8, or were never meant as text.
    Bytes(&'a [u8]),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// A dictionary, or an object of any class.
    Map(Box<Map>),
    /// A class or function: known by name, never run.
    Global(Global),
    Storage(Box<Storage<'a>>),
    Tensor(Box<Tensor<'a>>),
    /// A tensor that can't be read; why.
    Unreadable(&'static str),
}

/// A dictionary or an object: its items, the arguments of the call that made it, and the state it was given.
#[derive(Debug, Default)]
pub(crate) struct Map {
    pub items: Vec<(Id, Id)>,
    pub arguments: Option<Id>,
    pub state: Option<Id>,
    /// Whether it is an array of NumPy.
    pub is_array: bool,
}

/// Elements kept outside the pickle, under a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storage<'a> {
    pub key: &'a str,
    pub dtype: Dtype,
    /// First element: not 0 in views of a storage, which old files have.
    pub base: u64,
}

/// A view of a storage. Shape and stride stay unread until somebody wants the tensor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tensor<'a> {
    pub storage: Storage<'a>,
    pub offset: u64,
    pub shape: Id,
    pub stride: Id,
    /// The scheme, scales and zero points of a quantized tensor.
    pub quantizer: Option<Id>,
}

/// Everything a pickle built.
#[derive(Debug)]
pub(crate) struct Pickle<'a> {
    pub values: Vec<Value<'a>>,
    pub root: Id,
}

impl<'a> Pickle<'a> {
    pub fn value(&self, id: Id) -> &Value<'a> {
        // Ids come from this arena only; 0 is the opaque value.
        self.values.get(id as usize).unwrap_or(&self.values[0])
    }

    pub fn text(&self, id: Id) -> Option<&'a str> {
        if let Value::Text(text) = self.value(id) { Some(text) } else { None }
    }

    pub fn tuple(&self, id: Id) -> Option<&[Id]> {
        if let Value::Tuple(items) | Value::List(items) = self.value(id) { Some(items) } else { None }
    }

    /// A number, as floats are written or as an integer.
    pub fn number(&self, id: Id) -> Option<f64> {
        match self.value(id) {
            Value::Float(number) => Some(*number),
            Value::Int(number) => Some(*number as f64),
            _ => None,
        }
    }

    pub fn size(&self, id: Id) -> Option<u64> {
        if let Value::Int(n) = self.value(id) { u64::try_from(*n).ok() } else { None }
    }
}
