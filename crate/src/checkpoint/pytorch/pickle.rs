//! A pickle machine that executes nothing: it knows the tensors of PyTorch and keeps the rest opaque.
//!
//! Python's `pickle` is a program for a stack machine that may call any function. This one builds
//! dictionaries, tuples, numbers, strings and descriptions of tensors; a call of anything else makes
//! an inert [`Map`].

use std::collections::HashMap;

use crate::checkpoint::dtype::Dtype;
use crate::checkpoint::pytorch::cursor::Cursor;
use crate::checkpoint::pytorch::globals::{Global, global};
use crate::checkpoint::pytorch::limits::MAX_STEPS;
use crate::checkpoint::pytorch::object::{Id, Map, Pickle, Storage, Tensor, Value};
use crate::checkpoint::stored::ParseResult;

impl<'a> Pickle<'a> {
    /// Reads one pickle from its first byte to its STOP; `input` then stands behind it.
    pub fn read(input: &mut Cursor<'a>) -> ParseResult<Self> {
        let mut machine = Machine {
            input,
            values: vec![Value::Opaque],
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            steps: 0,
        };
        loop {
            machine.count_step(1)?;
            let op = machine.input.u8()?;
            if op == b'.' {
                let root = machine.pop()?;
                return Ok(Self { values: machine.values, root });
            }
            machine.step(op)?;
        }
    }
}

struct Machine<'a, 'i> {
    input: &'i mut Cursor<'a>,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at open MARKs.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    steps: usize,
}

impl<'a> Machine<'a, '_> {
    fn count_step(&mut self, steps: usize) -> ParseResult<()> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS { Err("its pickle takes too many steps".into()) } else { Ok(()) }
    }

    fn add(&mut self, value: Value<'a>) -> Id {
        // At most one value a step, so the index always fits.
        self.values.push(value);
        (self.values.len() - 1) as Id
    }

    fn push(&mut self, value: Value<'a>) {
        let id = self.add(value);
        self.stack.push(id);
    }

    fn pop(&mut self) -> ParseResult<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("its pickle pops an empty stack".into());
        }
        self.stack.pop().ok_or_else(|| "its pickle is empty".into())
    }

    fn top(&mut self) -> ParseResult<&mut Value<'a>> {
        let id = self.pop()?;
        self.stack.push(id);
        self.values.get_mut(id as usize).ok_or_else(|| "its pickle is damaged".into())
    }

    fn pop_mark(&mut self) -> ParseResult<Vec<Id>> {
        let mark = self.marks.pop().ok_or("its pickle has no matching MARK")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn step(&mut self, op: u8) -> ParseResult<()> {
        match op {
            0x80 => self.protocol(),
            0x95 => self.input.take(8).map(drop), // FRAME: its length is not needed
            b'N' | b'G' | b'I'..=b'M' | 0x88..=0x8b => self.number(op),
            b'X' | b'U' | b'T' | b'B' | b'C' | 0x8c..=0x8e | 0x96 => self.string(op),
            b'(' | b'0' | b'1' | b'2' => self.stack_op(op),
            b'h' | b'j' | b'q' | b'r' | 0x94 => self.memo_op(op),
            b'}' | b']' | b')' | 0x8f | b't' | b'l' | b'd' | 0x85..=0x87 | 0x91 => self.construct(op),
            b's' | b'u' | b'a' | b'e' | 0x90 | b'b' => self.append(op),
            b'c' | 0x93 | b'R' | b'o' | 0x81 | 0x92 | b'Q' => self.apply(op),
            _ => Err(format!("its pickle has the instruction {op:#04x}, which no checkpoint needs")),
        }
    }

    fn protocol(&mut self) -> ParseResult<()> {
        match self.input.u8()? {
            2..=5 => Ok(()),
            other => Err(format!("pickle protocol {other} is unknown")),
        }
    }

    fn number(&mut self, op: u8) -> ParseResult<()> {
        let value = match op {
            b'N' => Value::Opaque,
            b'G' => Value::Float(f64::from_be_bytes(self.input.array()?)),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.input.array()?))),
            b'K' => Value::Int(i64::from(self.input.u8()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.input.array()?))),
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            0x8a => {
                let len = self.input.u8()?;
                long(self.input.take(u64::from(len))?)
            }
            0x8b => {
                let len = u32::from_le_bytes(self.input.array()?);
                long(self.input.take(u64::from(len))?)
            }
            _ => return Err("its pickle is of the text kind, which PyTorch does not write".into()),
        };
        self.push(value);
        Ok(())
    }

    fn string(&mut self, op: u8) -> ParseResult<()> {
        let len = match op {
            b'U' | b'C' | 0x8c => u64::from(self.input.u8()?),
            b'X' | b'T' | b'B' => u64::from(u32::from_le_bytes(self.input.array()?)),
            _ => u64::from_le_bytes(self.input.array()?),
        };
        let raw = self.input.take(len)?;
        let is_text = matches!(op, b'X' | b'U' | b'T' | 0x8c | 0x8d);
        // Python 2 wrote bytes as text: what is not UTF-8 can't be a name.
        let text = std::str::from_utf8(raw).ok().filter(|_| is_text);
        self.push(text.map_or(Value::Bytes(raw), Value::Text));
        Ok(())
    }

    fn stack_op(&mut self, op: u8) -> ParseResult<()> {
        match op {
            b'(' => self.marks.push(self.stack.len()),
            b'1' => drop(self.pop_mark()?),
            // Python's POP right above a MARK takes the MARK.
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            _ => {
                let id = self.pop()?;
                self.stack.extend([id, id]);
            }
        }
        Ok(())
    }

    fn memo_op(&mut self, op: u8) -> ParseResult<()> {
        let key = match op {
            b'h' | b'q' => u32::from(self.input.u8()?),
            b'j' | b'r' => u32::from_le_bytes(self.input.array()?),
            _ => self.memo.len() as u32,
        };
        if matches!(op, b'h' | b'j') {
            let id = self.memo.get(&key).ok_or("its pickle reads an unset memo entry")?;
            self.stack.push(*id);
        } else {
            let id = self.pop()?;
            self.stack.push(id);
            self.memo.insert(key, id);
        }
        Ok(())
    }

    fn construct(&mut self, op: u8) -> ParseResult<()> {
        let value = match op {
            b'}' => Value::Map(Box::default()),
            b']' => Value::List(Vec::new()),
            b')' => Value::Tuple(Vec::new()),
            0x8f => Value::Opaque,
            b't' => Value::Tuple(self.pop_mark()?),
            b'l' => Value::List(self.pop_mark()?),
            b'd' => Value::Map(Box::new(Map { items: pairs(&self.pop_mark()?), ..Map::default() })),
            0x91 => self.pop_mark().map(|_| Value::Opaque)?,
            _ => {
                let mut items = Vec::new();
                for _ in 0x85..=op {
                    items.push(self.pop()?);
                }
                items.reverse();
                Value::Tuple(items)
            }
        };
        self.push(value);
        Ok(())
    }

    /// Puts items into the container on top; what goes into an opaque one is dropped.
    fn append(&mut self, op: u8) -> ParseResult<()> {
        let items = match op {
            b'u' | b'e' | 0x90 => self.pop_mark()?,
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => vec![self.pop()?],
        };
        match (op, self.top()?) {
            (b's' | b'u', Value::Map(map)) => map.items.extend(pairs(&items)),
            (b'a' | b'e', Value::List(list)) => list.extend(items),
            (b'b', Value::Map(map)) => map.state = items.first().copied(),
            _ => {}
        }
        Ok(())
    }

    /// Instructions that in Python import or call something.
    fn apply(&mut self, op: u8) -> ParseResult<()> {
        let id = match op {
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.add(Value::Global(global(module, name)))
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let known = global(self.text(module), self.text(name));
                self.add(Value::Global(known))
            }
            b'o' => {
                self.pop_mark()?;
                self.add(Value::Map(Box::default()))
            }
            b'Q' => {
                let key = self.pop()?;
                let value = self.persistent(key)?;
                self.add(value)
            }
            _ => {
                if op == 0x92 {
                    self.pop()?; // keyword arguments
                }
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?
            }
        };
        self.stack.push(id);
        Ok(())
    }

    fn value(&self, id: Id) -> &Value<'a> {
        self.values.get(id as usize).unwrap_or(&self.values[0])
    }

    fn text(&self, id: Id) -> &'a [u8] {
        if let Value::Text(text) = self.value(id) { text.as_bytes() } else { b"" }
    }

    fn arguments(&self, id: Id) -> &[Id] {
        if let Value::Tuple(items) = self.value(id) { items } else { &[] }
    }

    fn call(&mut self, function: Id, arguments: Id) -> ParseResult<Id> {
        let (mut function, mut arguments) = (function, arguments);
        if let (Value::Global(Global::FromType), &[inner, _, inner_arguments, ..]) =
            (self.value(function), self.arguments(arguments))
        {
            (function, arguments) = (inner, inner_arguments);
        }
        let list = self.arguments(arguments);
        let value = match (self.value(function), list) {
            (Value::Global(Global::Tensor), &[storage, offset, shape, stride, ..]) => {
                self.tensor(storage, [offset, shape, stride], None, None)?
            }
            (Value::Global(Global::TypedTensor), &[storage, offset, shape, stride, _, _, dtype, ..]) => {
                self.tensor(storage, [offset, shape, stride], Some(dtype), None)?
            }
            (Value::Global(Global::QuantizedTensor), &[storage, offset, shape, stride, quantizer, ..]) => {
                self.tensor(storage, [offset, shape, stride], None, Some(quantizer))?
            }
            (Value::Global(Global::Unreadable(why)), _) => Value::Unreadable(why),
            (Value::Global(Global::Tensor | Global::TypedTensor | Global::QuantizedTensor), _) => {
                return Err("a tensor is described in an unknown way".into());
            }
            (Value::Global(Global::First), &[first, ..]) => return Ok(first),
            (Value::Global(Global::Dict), &[first]) => {
                let items = self.listed_pairs(first);
                // Copied from a list that may be used again and again.
                self.count_step(items.len())?;
                Value::Map(Box::new(Map { items, ..Map::default() }))
            }
            (function, _) => {
                let is_array = matches!(function, Value::Global(Global::Array));
                Value::Map(Box::new(Map { arguments: Some(arguments), is_array, ..Map::default() }))
            }
        };
        Ok(self.add(value))
    }

    /// Python 2 gave OrderedDict its items as a list of pairs.
    fn listed_pairs(&self, id: Id) -> Vec<(Id, Id)> {
        let Value::List(list) = self.value(id) else { return Vec::new() };
        list.iter()
            .take(MAX_STEPS)
            .filter_map(|&pair| match self.value(pair) {
                Value::Tuple(pair) | Value::List(pair) => pair.first_chunk::<2>(),
                _ => None,
            })
            .map(|&[key, value]| (key, value))
            .collect()
    }

    fn tensor(
        &self,
        storage: Id,
        view: [Id; 3],
        dtype: Option<Id>,
        quantizer: Option<Id>,
    ) -> ParseResult<Value<'a>> {
        let [offset, shape, stride] = view;
        let (Value::Storage(storage), Value::Int(offset)) = (self.value(storage), self.value(offset)) else {
            return Err("a tensor is described in an unknown way".into());
        };
        let mut storage = **storage;
        if let Some(dtype) = dtype {
            let Value::Global(Global::Dtype(dtype)) = self.value(dtype) else {
                return Err("a tensor has no element type".into());
            };
            storage.dtype = *dtype;
        }
        let offset = u64::try_from(*offset).map_err(|_| "a tensor has a negative offset")?;
        Ok(Value::Tensor(Box::new(Tensor { storage, offset, shape, stride, quantizer })))
    }

    /// `('storage', type, key, device, elements[, view])`; in old files also `('module', class, ...)`.
    fn persistent(&self, id: Id) -> ParseResult<Value<'a>> {
        let (kind, class, key, view) = match *self.arguments(id) {
            [kind, class, key, _, _] => (kind, class, key, 0),
            [kind, class, key, _, _, view] => (kind, class, key, view),
            _ => return Ok(Value::Global(Global::Other)),
        };
        if self.text(kind) != b"storage" {
            return Ok(Value::Global(Global::Other));
        }
        let Value::Text(key) = *self.value(key) else { return Err("a storage has no key".into()) };
        let dtype = match self.value(class) {
            Value::Global(Global::Dtype(dtype)) => *dtype,
            _ => Dtype::Other("an unknown type", 0),
        };
        let base = match *self.arguments(view) {
            [_, base, _] => match self.value(base) {
                Value::Int(base) => u64::try_from(*base).map_err(|_| "a storage starts below 0")?,
                _ => 0,
            },
            _ => 0,
        };
        Ok(Value::Storage(Box::new(Storage { key, dtype, base })))
    }
}

/// A little-endian integer of any length; beyond 64 bits it can't be a size.
fn long<'a>(raw: &[u8]) -> Value<'a> {
    let negative = raw.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut word = [if negative { 0xff } else { 0 }; 8];
    match word.get_mut(..raw.len()) {
        Some(low) => low.copy_from_slice(raw),
        None => return Value::Opaque,
    }
    Value::Int(i64::from_le_bytes(word))
}

fn pairs(items: &[Id]) -> Vec<(Id, Id)> {
    items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}
