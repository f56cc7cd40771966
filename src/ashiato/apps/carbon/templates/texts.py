"""The sentences about a row, in both languages: what is wrong and what to do."""

from collections.abc import Mapping

from ashiato.apps.carbon.templates.columns import Language

ENGLISH: Mapping[str, str] = {
    "required": "This cannot be empty.",
    "formula": "This is a formula; paste its value instead.",
    "error": "This is an error value of the spreadsheet.",
    "text_long": "A cell has at most {limit} characters.",
    "text_formula": "This begins like a formula; write plain text.",
    "text_unprintable": "Write this in one line of printable characters.",
    "number_kind": "A number is expected, not a {kind}.",
    "number_unreadable": "This is no number that can be used: {problem}.",
    "number_negative": "This cannot be negative.",
    "number_not_positive": "This must be more than 0.",
    "share_range": "Write a share from 0 to 1, or with % from 0% to 100%.",
    "rating_range": "Write a rating from 1 (best) to 5.",
    "year_unreadable": "Write a year such as 2024.",
    "day_unreadable": "Write a day such as 2026-04-01.",
    "unit_unknown": "{unit} is no unit that is known here; write kg, kWh, MJ, l, m3, t.km, piece or another of the list.",
    "hash_unreadable": "Write a SHA-256 as 64 hexadecimal digits.",
    "choice_unknown": "Write one of {choices}.",
    "row_long": "The row has cells beyond the last heading.",
    "row_twice": "Row {row} has the same {column}.",
    "licence_unknown": "No licence {licence} is known here; enter the licence first.",
    "factor_unknown": "No factor {factor} is known here, or you have no right to use it.",
    "factor_contradiction": "{problem}.",
    "unit_mismatch": "{problem}.",
    "figures_missing": "Write a total or at least one gas.",
    "gas_missing": "A direct emission needs gas and origin, and a unit of mass.",
    "factor_missing": "An activity needs a factor.",
    "period_backwards": "The end lies before the beginning.",
    "stages_missing": "An answer needs a unit, a GWP set and the figures of all four stages; write 0 where there is nothing.",
    "reason_missing": "A rejected request needs a reason.",
}
JAPANESE: Mapping[str, str] = {
    "required": "必須項目です。",
    "formula": "数式です。値を貼り付けてください。",
    "error": "表計算ソフトのエラー値です。",
    "text_long": "1 セルは最大 {limit} 文字です。",
    "text_formula": "数式のように始まっています。文字だけを入力してください。",
    "text_unprintable": "改行や制御文字を含めずに入力してください。",
    "number_kind": "数値が必要ですが、{kind} が入力されています。",
    "number_unreadable": "使える数値ではありません（{problem}）。",
    "number_negative": "負の値は入力できません。",
    "number_not_positive": "0 より大きい値を入力してください。",
    "share_range": "0 から 1、または 0% から 100% で入力してください。",
    "rating_range": "1（最良）から 5 で入力してください。",
    "year_unreadable": "2024 のように西暦で入力してください。",
    "day_unreadable": "2026-04-01 のように日付を入力してください。",
    "unit_unknown": "単位 {unit} は使えません。kg、kWh、MJ、l、m3、t.km、個 などを入力してください。",
    "hash_unreadable": "SHA-256 を 64 桁の 16 進数で入力してください。",
    "choice_unknown": "次のいずれかを入力してください：{choices}",
    "row_long": "見出しのない列にセルがあります。",
    "row_twice": "{row} 行目と同じ {column} です。",
    "licence_unknown": "ライセンス {licence} は登録されていません。先にライセンスを登録してください。",
    "factor_unknown": "原単位 {factor} は登録されていないか、利用する権利がありません。",
    "factor_contradiction": "原単位の内容に矛盾があります（{problem}）。",
    "unit_mismatch": "単位が合いません（{problem}）。",
    "figures_missing": "合計または少なくとも一つのガスを入力してください。",
    "gas_missing": "直接排出にはガス、由来、質量の単位が必要です。",
    "factor_missing": "活動量には原単位が必要です。",
    "period_backwards": "終了日が開始日より前です。",
    "stages_missing": "回答には単位、GWPの版、4 段階すべての値が必要です。該当なしは 0 を入力してください。",
    "reason_missing": "辞退には理由が必要です。",
}


def sentence(code: str, fields: Mapping[str, str], language: Language) -> str:
    """The sentence of that code in that language."""
    return (JAPANESE if language == "ja" else ENGLISH)[code].format_map(fields)
