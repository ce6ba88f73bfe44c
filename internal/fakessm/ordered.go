// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sort"
)

// chunkSize limits how many entries an insertion or removal has to move.
const chunkSize = 1024

// key is the position of a session in a list, which is sorted by start date, newest first,
// and by ID.
type key struct {
	start int64
	id    string
}

// listStart precedes every session.
var listStart = key{start: math.MaxInt64}

func (k key) compare(other key) int {
	if k.start != other.start {
		return cmp.Compare(other.start, k.start)
	}

	return cmp.Compare(k.id, other.id)
}

// first is before every session.
type ordered struct {
	chunks [][]*entry
}

// seek returns the position of the first session that is not before k.
func (o *ordered) seek(k key) (chunk, index int) {
	chunk = sort.Search(len(o.chunks), func(i int) bool {
		last := o.chunks[i][len(o.chunks[i])-1]

		return last.key().compare(k) >= 0
	})
	if chunk == len(o.chunks) {
		return chunk, 0
	}
	index, _ = slices.BinarySearchFunc(o.chunks[chunk], k, func(e *entry, k key) int { return e.key().compare(k) })

	return chunk, index
}

func (o *ordered) insert(e *entry) {
	if len(o.chunks) == 0 {
		o.chunks = [][]*entry{{e}}

		return
	}
	chunk, index := o.seek(e.key())
	if chunk == len(o.chunks) {
		chunk--
		index = len(o.chunks[chunk])
	}
	full := slices.Insert(o.chunks[chunk], index, e)
	o.chunks[chunk] = full
	if len(full) > chunkSize {
		half := len(full) / 2
		o.chunks[chunk] = slices.Clip(full[:half])
		o.chunks = slices.Insert(o.chunks, chunk+1, slices.Clone(full[half:]))
	}
}

func (o *ordered) remove(e *entry) {
	chunk, index := o.seek(e.key())
	if chunk == len(o.chunks) || index == len(o.chunks[chunk]) || o.chunks[chunk][index] != e {
		return
	}
	o.chunks[chunk] = slices.Delete(o.chunks[chunk], index, index+1)
	if len(o.chunks[chunk]) == 0 {
		o.chunks = slices.Delete(o.chunks, chunk, chunk+1)
	}
}

// after yields the sessions after k.
func (o *ordered) after(k key) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		chunk, index := o.seek(k)
		for ; chunk < len(o.chunks); chunk, index = chunk+1, 0 {
			for _, e := range o.chunks[chunk][index:] {
				if e.key() == k {
					continue
				}
				if !yield(e) {
					return
				}
			}
		}
	}
}
