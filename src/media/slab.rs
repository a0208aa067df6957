//! Values by the node of their unit: dense, looked up by index alone.

use super::graph::Node;

/// At most one value per node.
pub(super) struct Slab<T>(Vec<Option<Box<T>>>);

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab(Vec::new())
    }
}

impl<T> Slab<T> {
    /// The value of the node.
    pub(super) fn get(&self, node: Node) -> Option<&T> {
        self.0.get(node as usize)?.as_deref()
    }

    /// The value of the node.
    pub(super) fn get_mut(&mut self, node: Node) -> Option<&mut T> {
        self.0.get_mut(node as usize)?.as_deref_mut()
    }

    /// Sets the value of the node.
    pub(super) fn insert(&mut self, node: Node, value: T) {
        let index = node as usize;
        if index >= self.0.len() {
            self.0.resize_with(index + 1, || None);
        }
        if let Some(place) = self.0.get_mut(index) {
            *place = Some(Box::new(value));
        }
    }

    /// Removes the value of the node.
    pub(super) fn remove(&mut self, node: Node) -> Option<T> {
        self.0.get_mut(node as usize)?.take().map(|value| *value)
    }

    /// Number of values.
    pub(super) fn len(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// All values in the order of their nodes.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Node, &mut T)> {
        self.0
            .iter_mut()
            .enumerate()
            .filter_map(|(node, value)| Some((node as Node, value.as_deref_mut()?)))
    }
}
