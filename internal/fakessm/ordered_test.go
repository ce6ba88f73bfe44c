// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestOrdered_staysSortedAndComplete(t *testing.T) {
	t.Parallel()

	random := rand.New(rand.NewPCG(1, 2))
	var list ordered
	var want []*entry
	check := func() {
		t.Helper()
		slices.SortFunc(want, func(a, b *entry) int { return a.key().compare(b.key()) })
		if got := slices.Collect(list.after(listStart)); !slices.Equal(want, got) {
			t.Fatalf("got %d sessions, want %d in order", len(got), len(want))
		}
	}
	for i := range 6 * chunkSize {
		e := &entry{Session: Session{SessionID: fmt.Sprint(i), StartDate: time.Unix(random.Int64N(1000), 0)}}
		list.insert(e)
		want = append(want, e)
	}
	check()
	if i := len(want) / 2; slices.Collect(list.after(want[i].key()))[0] != want[i+1] {
		t.Error("seek does not find a position in the middle")
	}
	random.Shuffle(len(want), func(i, j int) { want[i], want[j] = want[j], want[i] })
	for _, left := range []int{3 * chunkSize, 1, 0} {
		for _, e := range want[left:] {
			list.remove(e)
		}
		want = want[:left]
		check()
	}
	if len(list.chunks) != 0 {
		t.Errorf("%d empty chunks are left", len(list.chunks))
	}
}
