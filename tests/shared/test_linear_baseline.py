"""The classical baseline."""

from stages.shared.linear_baseline import Setting, fit_baseline


def test_characters_are_chosen_where_words_have_no_spaces() -> None:
    good = ["房间很干净", "服务真干净利落", "餐厅干净", "干净整洁"]
    bad = ["房间很脏", "服务真脏乱差", "餐厅脏", "又脏又乱"]
    train = (good[:3] + bad[:3], ["good"] * 3 + ["bad"] * 3)
    validation = (["大堂干净得很", "大堂脏得很"], ["good", "bad"])
    baseline = fit_baseline(train, validation, seed=1)
    assert "characters" in baseline.setting.view
    assert [row["answer"] for row in baseline.predict([good[3], bad[3]])] == ["good", "bad"]


def test_the_setting_reads_as_a_sentence() -> None:
    assert str(Setting("words", 4.0, "balanced")) == "TF-IDF of words, logistic regression, C = 4, balanced classes"
