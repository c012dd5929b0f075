from __future__ import annotations

import itertools

import numpy as np
import pytest

from metamodel.cell_tables import cell_classes, cell_features, cell_graphs, kinds_of, points_of, read_cells
from metamodel.errors import TableError

# Three points, three operations: 1←0 | 2←0, 2←1. Nodes of the graph: global, input, op1, op2, op3, output.
TABLE = {
    "op1": np.array([2, 0, 1, 2], dtype=np.uint8),
    "op2": np.array([3, 3, 0, 0], dtype=np.uint8),
    "op3": np.array([2, 2, 3, 0], dtype=np.uint8),
    "phone_ms": np.array([4.0, 0.25, 2.5, 1.0], dtype=np.float32),
    "signal": np.array([0.9, 0.8, 0.0, 0.1]),
}
OPERATIONS = np.array([[2, 3, 2], [0, 3, 2], [1, 0, 3], [2, 0, 0]])


@pytest.fixture
def save(tmp_path):
    def save(**changes):
        path = tmp_path / "table.npz"
        columns = {name: column for name, column in (TABLE | changes).items() if column is not None}
        np.savez_compressed(path, **columns)
        return path

    return save


def edges(graphs, row):
    """Who takes whose state, without the global node's and everyone's own."""
    return {(int(i), int(j)) for i, j in zip(*np.nonzero(graphs.adjacency[row]), strict=True) if i not in {0, j}}


def kinds(graphs, row):
    return [int(kind.argmax()) if kind.any() else None for kind in graphs.kinds[row]]


def test_a_table_is_read_by_its_layout_with_one_of_its_costs(save):
    cells = read_cells(save(), "phone_ms")

    np.testing.assert_array_equal(cells.operations, OPERATIONS)
    assert (cells.cost_name, cells.costs.tolist(), len(cells)) == ("phone_ms", [4.0, 0.25, 2.5, 1.0], 4)


def test_a_floor_takes_the_place_of_costs_that_the_clock_cannot_tell(save):
    cells = read_cells(save(), "signal", floor=0.5)

    assert cells.costs.tolist() == [0.9, 0.8, 0.5, 0.5]


def test_points_are_counted_from_operations_where_every_pair_is_joined():
    assert [points_of(operations) for operations in (1, 3, 6, 10)] == [2, 3, 4, 5]


def test_every_operation_is_a_node_and_only_the_links_of_no_connection_are_cut():
    graphs = cell_graphs(OPERATIONS, kinds=4)

    assert kinds(graphs, 0) == [6, 4, 2, 3, 2, 5]
    assert edges(graphs, 0) == {(1, 2), (1, 3), (2, 4), (3, 5), (4, 5)}
    assert kinds(graphs, 1) == [6, 4, 0, 3, 2, 5]
    assert edges(graphs, 1) == {(1, 3), (3, 5), (4, 5)}
    assert graphs.adjacency[:, 0].all()
    assert graphs.adjacency[:, range(6), range(6)].all()


def test_a_pruned_graph_passes_identities_over_and_keeps_only_what_input_and_output_reach():
    graphs = cell_graphs(OPERATIONS, kinds=4, pruned=True)

    assert kinds(graphs, 0) == [6, 4, 2, 3, 2, 5]
    assert edges(graphs, 0) == {(1, 2), (1, 3), (2, 4), (3, 5), (4, 5)}
    assert kinds(graphs, 1) == [6, 4, None, 3, None, 5]
    assert edges(graphs, 1) == {(1, 3), (3, 5)}
    assert kinds(graphs, 2) == [6, 4, None, None, 3, 5]
    assert edges(graphs, 2) == {(1, 4), (4, 5)}
    assert kinds(graphs, 3) == [6, 4, None, None, None, 5]
    assert edges(graphs, 3) == set()


def test_four_points_are_joined_in_the_order_of_the_layout():
    graphs = cell_graphs(np.full((1, 6), 2), kinds=3)

    one, two, three, four, five, six, output = range(2, 9)
    assert edges(graphs, 0) == {
        (1, one), (1, two), (1, four), (one, three), (one, five), (two, six), (three, six),
        (four, output), (five, output), (six, output),
    }  # fmt: skip


def test_identities_in_a_row_join_input_and_output():
    graphs = cell_graphs(np.array([[1, 0, 0, 0, 1, 0]]), kinds=2, pruned=True)

    assert edges(graphs, 0) == {(1, 8)}


def ways(operations, points):
    """Every way from the first point to the last over operations that connect, each a list of operation numbers."""
    number = {(end, start): end * (end - 1) // 2 + start for end in range(points) for start in range(end)}

    def onward(point):
        if point == points - 1:
            return [[]]
        return [
            [number[end, point], *rest]
            for end in range(point + 1, points)
            if operations[number[end, point]] != 0
            for rest in onward(end)
        ]

    return onward(0)


@pytest.mark.parametrize("points", [2, 3, 4, 5, 6])
def test_a_pruned_graph_holds_what_lies_on_a_way_from_input_to_output_and_nothing_else(points):
    places = points * (points - 1) // 2
    cells = np.random.default_rng(points).choice(4, p=[0.5, 0.2, 0.15, 0.15], size=(60, places))

    graphs = cell_graphs(cells, kinds=4, pruned=True)

    for row, operations in enumerate(cells):
        computing = [[1, *(2 + n for n in way if operations[n] > 1), 2 + places] for way in ways(operations, points)]
        assert edges(graphs, row) == {pair for way in computing for pair in itertools.pairwise(way)}
        inside = {node for way in computing for node in way[1:-1]}
        assert {node for node, kind in enumerate(kinds(graphs, row)) if kind is not None and kind < 4} == inside


def test_trees_see_operations_as_written_those_that_reach_the_output_and_those_that_the_input_also_reaches():
    features = cell_features(OPERATIONS[1:], kinds=4).reshape(3, 3, 16)  # network, view, one-hot and counts

    shown = features[:, :, :12].reshape(3, 3, 3, 4).argmax(axis=3)
    assert shown[0].tolist() == [[0, 3, 2], [0, 3, 2], [0, 3, 0]]
    assert shown[1].tolist() == [[1, 0, 3], [1, 0, 3], [1, 0, 3]]
    assert shown[2].tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert features[0, :, 12:].tolist() == [[1, 0, 1, 1], [1, 0, 1, 1], [2, 0, 0, 1]]


def test_networks_whose_inner_points_change_places_are_twins():
    cells = np.array(
        [[2, 3, 0, 1, 0, 2], [3, 2, 0, 1, 2, 0], [3, 2, 0, 1, 0, 2], [2, 3, 1, 1, 0, 2], [2, 3, 0, 1, 0, 2]]
    )

    classes = cell_classes(cells)

    assert [int((classes == number).sum()) for number in classes] == [3, 3, 1, 1, 3]
    assert classes[0] == classes[1] == classes[4]


def test_two_inner_points_that_are_joined_keep_their_order():
    cells = np.array(list(itertools.product(range(2), repeat=6)))

    classes = cell_classes(cells)

    assert sorted(np.bincount(classes).tolist()) == [1] * (32 + 8) + [2] * 12


def test_some_rows_of_graphs_are_the_graphs_of_some_rows():
    chosen = cell_graphs(OPERATIONS, kinds=4).rows(np.array([2, 0]))

    direct = cell_graphs(OPERATIONS[[2, 0]], kinds=4)
    np.testing.assert_array_equal(chosen.adjacency, direct.adjacency)
    np.testing.assert_array_equal(chosen.kinds, direct.kinds)


def test_no_networks_give_no_graphs_and_no_features():
    none = np.empty((0, 6), dtype=np.intp)

    assert kinds_of(none) == 2
    assert cell_classes(none).tolist() == []
    assert cell_graphs(none, kinds=2).kinds.shape == (0, 9, 5)
    assert cell_features(none, kinds=2).shape == (0, 3 * (6 * 2 + 2))


@pytest.mark.parametrize("describe", [cell_graphs, cell_features])
def test_an_operation_that_was_never_learned_is_refused_by_its_number(describe):
    with pytest.raises(ValueError, match=r"^Operations go from 0 to 3, but only 0 to 2 are known\.$"):
        describe(OPERATIONS, kinds=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"op3": None}, "2 operations join no whole number of points"),
        ({"op2": None}, r"has the operations \[1, 3\]; expected columns op1, op2, … without a gap"),
        ({"op1": np.array([2.0, 0, 1, 2])}, r"op1 is float64 of shape \(4,\); expected integers"),
        ({"op2": np.array([1, 2])}, r"op2 is int64 of shape \(2,\); expected integers of shape \(4,\)"),
        ({"op3": np.array([2, -1, 0, 0])}, "op3 goes from -1 to 2; operations are 0 to 255"),
        ({"op3": np.array([2, 70_000, 0, 0])}, "op3 goes from 0 to 70000"),
        ({"phone_ms": None}, "has no column 'phone_ms'; it has signal"),
        ({"phone_ms": np.array(["a", "b", "c", "d"])}, "phone_ms is <U1 of shape"),
        ({"phone_ms": np.ones(3)}, r"phone_ms is float64 of shape \(3,\); expected numbers of shape \(4,\)"),
        ({"phone_ms": np.array([1, np.nan, 2, 3])}, "not finite and positive in 1 of 4 rows, first nan in row 1"),
        ({"phone_ms": np.array([1, 2, 0, -3])}, "not finite and positive in 2 of 4 rows, first 0.0 in row 2"),
        ({"phone_ms": np.array([None, 1, 2, 3])}, "Cannot read"),
    ],
)
def test_a_table_of_another_layout_is_refused_in_one_line(save, changes, message):
    with pytest.raises(TableError, match=message) as caught:
        read_cells(save(**changes), "phone_ms")

    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_table_is_refused_in_one_line(tmp_path, save):
    whole = save().read_bytes()
    array = tmp_path / "array.npy"
    np.save(array, np.arange(3))
    for name, content in (
        ("empty", b""),
        ("text", b"op1,op2\n"),
        ("truncated", whole[:-40]),
        ("array", array.read_bytes()),
    ):
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(TableError, match=name):
            read_cells(path, "phone_ms")
    with pytest.raises(TableError, match="Cannot read"):
        read_cells(tmp_path / "absent.npz", "phone_ms")
