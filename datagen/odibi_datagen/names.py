"""Pools of names: dishes by hand, people and streets from Faker, and texts that try to do harm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

__all__ = ["CUISINES", "DISHES", "HOSTILE", "SEARCHES", "NamePool", "name_pool"]

CUISINES: tuple[str, ...] = ("italian", "japanese", "indian", "burger", "mexican", "local")

DISHES: dict[str, tuple[str, ...]] = {
    "italian": (
        "Pizza Margherita", "Pizza Diavola", "Spaghetti alla carbonara", "Penne all’arrabbiata",
        "Lasagne al forno", "Gnocchi al pesto", "Risotto ai funghi", "Insalata caprese", "Bruschetta",
        "Tiramisù", "Panna cotta", "Focaccia", "Calzone", "Ravioli di zucca", "Cannoli", "Affogato",
    ),
    "japanese": (
        "Ramen 味噌", "Tonkotsu ramen", "Sushi set 寿司", "Salmon nigiri", "California roll", "Gyōza",
        "Chicken karaage", "Tempura udon", "Katsu curry", "Edamame", "Miso soup", "Okonomiyaki",
        "Yakisoba", "Mochi", "Dorayaki", "Matcha latte 🍵",
    ),
    "indian": (
        "Butter chicken", "Palak paneer", "Chana masala", "Lamb rogan josh", "Vegetable biryani",
        "Garlic naan", "Samosa (2 pcs)", "Onion bhaji", "Dal makhani", "Tandoori chicken",
        "Raita", "Mango lassi", "Gulab jamun", "Aloo gobi", "Chicken tikka", "Papadum",
    ),
    "burger": (
        "Classic burger", "Double cheeseburger", "Veggie burger 🌱", 'The "Big One", 12" bun',
        "Chicken burger", "Fries", "Sweet potato fries", "Onion rings", "Coleslaw", "Milkshake",
        "Fish & chips, large", "Hot wings", "Caesar salad", "Brownie", "Cola 0,33 l", "Lemonade",
    ),
    "mexican": (
        "Tacos al pastor", "Burrito de pollo", "Quesadilla", "Guacamole & totopos", "Enchiladas verdes",
        "Nachos", "Chili [red]con carne[/red]", "Elote", "Tamales", "Ceviche", "Huevos rancheros",
        "Churros", "Horchata", "Pozole", "Tostadas", "Flan",
    ),
    "local": (
        "Soup of the day", "Żurek", "Pierogi ruskie", "Gazpacho", "Tortilla de patatas", "Paella",
        "Quenelle lyonnaise", "Crème brûlée 🍮", "Salade niçoise", "Croquetas", "Kotlet schabowy",
        "Placki ziemniaczane", "Boquerones", "Tarte aux pralines", "Sernik", "Espetos",
    ),
}  # fmt: skip

HOSTILE: tuple[str, ...] = (
    "<script>alert(1)</script>",
    "[red]sale[/red]",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE orders; --",
    "pizza\u202eazzip",
    "🍕🍣🌮 👩‍🍳",
    'quoted "text" \\ backslash',
    "tab\there\nand a new line",
    "null",
    "{{ 7 * 7 }}",
)

SEARCHES: tuple[str, ...] = (
    "pizza", "sushi", "vegan", "żurek", "crème brûlée", "burger near me", "tacos", "gluten free",
    "breakfast", "late night", "ramen", "curry", "ñoquis", "salad", "ice cream", "kebab",
)  # fmt: skip

_POOL = 160


@dataclass(frozen=True, slots=True)
class NamePool:
    """Names of one city: whole names of people, surnames for restaurants, streets."""

    people: tuple[str, ...]
    surnames: tuple[str, ...]
    streets: tuple[str, ...]


@cache
def name_pool(locale: str, seed: int) -> NamePool:
    """A pool for one locale, the same for the same seed."""
    from faker import Faker  # 0.1 s to import; only the parent process draws names

    fake = Faker(locale)
    fake.seed_instance(seed)
    return NamePool(
        people=tuple(fake.name() for _ in range(_POOL)),
        surnames=tuple(fake.last_name() for _ in range(_POOL)),
        streets=tuple(fake.street_name() for _ in range(_POOL)),
    )
