//! The wire format of protocol buffers, which ONNX files are written in: fields of messages, read and written.

/// A message being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    #[must_use]
    pub(crate) fn int(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    #[must_use]
    pub(crate) fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    #[must_use]
    pub(crate) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    #[must_use]
    pub(crate) fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    #[must_use]
    pub(crate) fn message(self, field: u64, message: &Message) -> Self {
        self.bytes(field, &message.0)
    }

    #[must_use]
    pub(crate) fn packed(self, field: u64, values: &[i64]) -> Self {
        let mut packed = Message::default();
        values.iter().for_each(|&value| packed.varint(value as u64));
        self.message(field, &packed)
    }

    /// A field as it was read.
    #[must_use]
    pub(crate) fn field(mut self, number: u64, field: Field<'_>) -> Self {
        match field {
            Field::Number(value) => self.int(number, value),
            Field::Bytes(bytes) => self.bytes(number, bytes),
            Field::Fixed32(bytes) => {
                self.varint(number << 3 | 5);
                self.0.extend(bytes);
                self
            }
            Field::Fixed64(bytes) => {
                self.varint(number << 3 | 1);
                self.0.extend(bytes);
                self
            }
        }
    }
}

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
}

/// The fields of a message, with their numbers; ends at the first that is malformed.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The first field of this number, if it is a message, a text or bytes.
    pub(crate) fn find_bytes(mut self, number: u64) -> Option<&'a [u8]> {
        self.find_map(|field| match field {
            (found, Field::Bytes(bytes)) if found == number => Some(bytes),
            _ => None,
        })
    }

    /// The first field of this number, if it is an integer.
    pub(crate) fn find_number(mut self, number: u64) -> Option<u64> {
        self.find_map(|field| match field {
            (found, Field::Number(value)) if found == number => Some(value),
            _ => None,
        })
    }

    /// The first field of this number as text; nothing if it is missing or not UTF-8.
    pub(crate) fn find_text(self, number: u64) -> Option<&'a str> {
        self.find_bytes(number).and_then(|bytes| str::from_utf8(bytes).ok())
    }

    /// All fields of this number that are messages, texts or bytes.
    pub(crate) fn all_bytes(self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        self.filter_map(move |field| match field {
            (found, Field::Bytes(bytes)) if found == number => Some(bytes),
            _ => None,
        })
    }

    /// All integers of a repeated field, packed or not.
    pub(crate) fn all_numbers(self, number: u64) -> Vec<u64> {
        let mut numbers = Vec::new();
        for (found, field) in self {
            match field {
                Field::Number(value) if found == number => numbers.push(value),
                Field::Bytes(mut packed) if found == number => {
                    while let Some(value) = varint(&mut packed) {
                        numbers.push(value);
                    }
                }
                _ => {}
            }
        }
        numbers
    }

    fn bytes(&mut self, count: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = varint(&mut self.0)?;
        let value = match key & 7 {
            0 => Field::Number(varint(&mut self.0)?),
            1 => Field::Fixed64(self.bytes(8)?.try_into().ok()?),
            2 => {
                let count = varint(&mut self.0)?;
                Field::Bytes(self.bytes(count)?)
            }
            5 => Field::Fixed32(self.bytes(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Message::default().text(1, "name");
        let message =
            Message::default().int(1, 300).float(2, 1.5).message(3, &inner).packed(4, &[1, -1, 500]);
        let fields: Vec<_> = Fields(&message.0).collect();
        assert_eq!(fields[0], (1, Field::Number(300)));
        assert_eq!(fields[1], (2, Field::Fixed32(1.5_f32.to_le_bytes())));
        assert_eq!(Fields(Fields(&message.0).find_bytes(3).unwrap()).find_text(1), Some("name"));
        assert_eq!(Fields(&message.0).all_numbers(4), [1, u64::MAX, 500]);
        let copy =
            Fields(&message.0).fold(Message::default(), |copy, (number, field)| copy.field(number, field));
        assert_eq!(copy.0, message.0);
    }

    #[test]
    fn a_repeated_field_may_be_packed_or_not() {
        let message = Message::default().int(1, 3).packed(1, &[4, 5]).int(1, 6);
        assert_eq!(Fields(&message.0).all_numbers(1), [3, 4, 5, 6]);
    }

    #[test]
    fn reading_ends_at_damage() {
        let message = Message::default().int(1, 1).text(2, "cut off");
        for length in 0..message.0.len() {
            assert!(Fields(&message.0[..length]).count() <= 1);
        }
        assert_eq!(Fields(&[0xff; 100]).count(), 0);
    }
}
