from __future__ import annotations

import numpy as np
import pytest
from xgboost import DMatrix, XGBClassifier, XGBRegressor, train

from metamodel.errors import CompileError
from metamodel.trees import read_trees

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(80, 3)).astype(np.float32)
Y = FEATURES[:, 0] + (FEATURES[:, 1] > 0)


def boosted(regressor=XGBRegressor, y=Y, features=FEATURES, **parameters):
    return regressor(n_estimators=3, max_depth=2, **parameters).fit(features, y).get_booster()


def test_a_stump_is_read_as_its_split_and_its_two_leaves():
    x = np.array([[1.0], [2.0], [np.nan]], dtype=np.float32)
    booster = train(
        {"max_depth": 1, "eta": 1, "lambda": 0, "min_child_weight": 0, "base_score": 0.5, "tree_method": "exact"},
        DMatrix(x, label=[1.0, 3.0, 3.0]),
        num_boost_round=1,
    )

    trees = read_trees([booster])

    assert (trees.members, trees.features, trees.base_score) == (1, 1, 0.5)
    assert trees.roots.tolist() == [0]
    assert (trees.left.tolist(), trees.right.tolist()) == ([1, 1, 2], [2, 1, 2])
    assert trees.threshold.tolist() == [1.5, 0.5, 2.5]
    assert trees.default_left.tolist() == [False, False, False]
    assert trees.is_leaf.tolist() == [False, True, True]


def test_the_trees_of_all_members_follow_each_other():
    first, second = boosted(base_score=1.0), boosted(base_score=2.0)

    alone, both = read_trees([first]), read_trees([first, second])

    assert both.base_score == 1.5
    assert len(both.roots) == 6
    assert both.roots[:3].tolist() == alone.roots.tolist()
    assert both.roots[3] == len(alone.left)


@pytest.mark.parametrize(
    ("booster", "complaint"),
    [
        (lambda: train({"booster": "gblinear", "verbosity": 0}, DMatrix(FEATURES, label=Y)), "gblinear"),
        (lambda: boosted(booster="dart", rate_drop=0.5), "dart"),
        (lambda: boosted(XGBClassifier, Y > 0), "binary:logistic"),
        (lambda: boosted(objective="reg:gamma", y=np.exp(Y)), "reg:gamma"),
        (lambda: boosted(y=np.column_stack([Y, Y])), "several outputs"),
        (lambda: boosted(y=np.column_stack([Y, Y]), multi_strategy="multi_output_tree"), "several outputs"),
        (lambda: train({}, DMatrix(FEATURES, label=Y), num_boost_round=0), "no trees"),
        (
            lambda: boosted(
                features=np.round(FEATURES * 2) + 10, feature_types=["c", "q", "q"], enable_categorical=True
            ),
            "categories",
        ),
    ],
)
def test_a_booster_that_does_more_than_add_up_leaves_is_refused(booster, complaint):
    with pytest.raises(CompileError, match=complaint):
        read_trees([booster()])


def test_a_bag_of_nothing_or_of_different_widths_is_refused():
    with pytest.raises(CompileError, match="not of no features"):
        read_trees([])
    with pytest.raises(CompileError, match=r"\[2, 3\]"):
        read_trees([boosted(), boosted(features=FEATURES[:, :2])])
