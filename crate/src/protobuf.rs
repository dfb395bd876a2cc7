//! Writes messages in Protocol Buffers' wire format: fields in the order in which they are added.
//!
//! Source: Protocol Buffers, "Encoding".

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// Adds a number of variable length; negative ones as 64 bits.
    #[must_use]
    pub fn integer(mut self, field: u32, value: i64) -> Self {
        self.key(field, 0);
        self.varint(value.cast_unsigned());
        self
    }

    /// Adds a float.
    #[cfg(feature = "cli")]
    #[must_use]
    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds a double.
    #[cfg(feature = "cli")]
    #[must_use]
    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds a text or bytes.
    #[must_use]
    pub fn bytes(mut self, field: u32, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// Adds a message.
    #[must_use]
    pub fn message(self, field: u32, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// Its bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn fields_are_as_the_encoding_documents_them() {
        assert_eq!(Message::default().integer(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        let text = Message::default().bytes(2, "testing");
        assert_eq!(text.clone().into_bytes(), [&[0x12, 7][..], b"testing"].concat());
        let inner = Message::default().message(3, &Message::default().integer(1, 150));
        assert_eq!(inner.into_bytes(), [0x1a, 3, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().integer(16, -1).into_bytes().len(), 2 + 10);
        assert_eq!(Message::default().float(1, 1.0).into_bytes(), [0x0d, 0, 0, 0x80, 0x3f]);
        assert_eq!(Message::default().double(1, 1.0).into_bytes(), [9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    }
}
