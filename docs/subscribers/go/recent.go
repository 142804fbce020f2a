package main

// recent remembers the last ids: enough for what comes twice within minutes.
type recent struct {
	ids   map[string]struct{}
	order []string
	next  int
}

func newRecent(size int) *recent {
	return &recent{ids: make(map[string]struct{}, size), order: make([]string, size)}
}

func (r *recent) has(id string) bool {
	_, known := r.ids[id]
	return known
}

// add forgets the oldest id for the new one.
func (r *recent) add(id string) {
	delete(r.ids, r.order[r.next])
	r.order[r.next] = id
	r.next = (r.next + 1) % len(r.order)
	r.ids[id] = struct{}{}
}
