//! A convolution as a matrix product: the windows (patches) that a layer slides over its input.

/// The window of a convolution, or of a fully connected layer (side and kernel 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Input channels.
    pub channels: usize,
    /// Width and height of the input.
    pub side: usize,
    /// Width and height of the kernel.
    pub kernel: usize,
    /// Zeros added around the input.
    pub padding: usize,
    /// Step from one position to the next.
    pub stride: usize,
}

impl Window {
    /// The window of a fully connected layer.
    pub fn linear(inputs: usize) -> Self {
        Self { channels: inputs, side: 1, kernel: 1, padding: 0, stride: 1 }
    }

    /// Width and height of the output.
    pub fn output_side(self) -> usize {
        (self.side + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Positions of the window: outputs of one channel.
    pub fn output_positions(self) -> usize {
        self.output_side().pow(2)
    }

    /// Values in one window: inputs of the matrix.
    pub fn inputs(self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// All windows, one after another, with values in the order of the weight `[out, in, kh, kw]`;
    /// `zero` is the padding.
    ///
    /// # Shapes
    /// - `input`: `[channels, side, side]`
    /// - output: `[output positions, inputs]`
    ///
    /// ```
    /// use crossdub::simulate::im2col::Window;
    ///
    /// let window = Window { channels: 1, side: 3, kernel: 2, padding: 0, stride: 1 };
    /// let patches = window.patches(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 0);
    /// assert_eq!(window.output_positions(), 4);
    /// assert_eq!(patches[..4], [1, 2, 4, 5]);
    /// ```
    pub fn patches<T: Copy>(self, input: &[T], zero: T) -> Vec<T> {
        let side = self.output_side();
        let mut patches = Vec::with_capacity(self.output_positions() * self.inputs());
        let starts = move || (0..side).map(move |at| at * self.stride);
        for (y, x) in starts().flat_map(|y| starts().map(move |x| (y, x))) {
            for plane in input.chunks_exact(self.side * self.side) {
                for row in (y..y + self.kernel).map(|row| row.wrapping_sub(self.padding)) {
                    for column in (x..x + self.kernel).map(|column| column.wrapping_sub(self.padding)) {
                        let inside = row < self.side && column < self.side;
                        patches.push(if inside { plane[row * self.side + column] } else { zero });
                    }
                }
            }
        }
        patches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_padded_and_in_the_order_of_the_weight() {
        let window = Window { channels: 2, side: 2, kernel: 3, padding: 1, stride: 1 };
        assert_eq!((window.output_positions(), window.inputs()), (4, 18));
        let patches = window.patches(&[1, 2, 3, 4, 5, 6, 7, 8], 0);
        assert_eq!(patches[..9], [0, 0, 0, 0, 1, 2, 0, 3, 4]);
        assert_eq!(patches[9..18], [0, 0, 0, 0, 5, 6, 0, 7, 8]);
        assert_eq!(patches[54..63], [1, 2, 0, 3, 4, 0, 0, 0, 0]);
        assert_eq!(Window::linear(3).patches(&[1, 2, 3], 0), [1, 2, 3]);
        let bare = Window { channels: 1, side: 3, kernel: 2, padding: 0, stride: 1 };
        assert_eq!(bare.patches(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 0)[4..8], [2, 3, 5, 6]);
        let pixels: Vec<u8> = (1..=16).collect();
        let steps = Window { channels: 1, side: 4, kernel: 1, padding: 0, stride: 2 };
        assert_eq!((steps.output_positions(), steps.patches(&pixels, 0)), (4, vec![1, 3, 9, 11]));
        let padded = Window { kernel: 3, padding: 1, ..steps };
        assert_eq!((padded.output_side(), &padded.patches(&pixels, 0)[9..15]), (2, &[0, 0, 0, 2, 3, 4][..]));
    }
}
